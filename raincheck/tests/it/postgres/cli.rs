//! What the command line says about a store on PostgreSQL.

use pgcluster::{Cluster, Settings};
use serde_json::Value;

use super::{Node, TestSite};
use crate::cli::{command, said};

#[tokio::test]
async fn what_can_not_be_served_is_refused_with_the_next_step() {
    let site = TestSite::new();
    let database = &site.database;
    let nowhere = "postgres://u:s3cret@127.0.0.1:1/db";
    let missing = Cluster::shared().url("no_such_database");
    for (store, says, next) in [
        (nowhere, "cannot use postgres://u@127.0.0.1:1/db", "is PostgreSQL running there"),
        (missing.as_str(), "does not exist", "createdb"),
        ("mysql://u:s3cret@h", "`mysql` is not known", ""),
    ] {
        let refused = said(command(site.path(), &["serve", "--listen", "127.0.0.1:0", "--store", store]), None);
        assert!(refused.code != 0 && refused.err.contains(says) && refused.err.contains(next), "{refused:#?}");
        assert!(!refused.err.contains("s3cret"), "{refused:#?}");
    }
    database.run(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name())).unwrap();
    let refused = said(command(site.path(), &["serve", "--listen", "127.0.0.1:0", "--store", &database.url()]), None);
    assert!(refused.code == 1 && refused.err.contains("synchronous_commit is off"), "{refused:#?}");
    let cluster = Cluster::shared();
    let provider = if cluster.version() >= 15 { "LOCALE_PROVIDER libc" } else { "" };
    let other = format!("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' {provider}");
    cluster.run("postgres", &other).unwrap();
    let refused =
        said(command(site.path(), &["serve", "--listen", "127.0.0.1:0", "--store", &cluster.url("latin")]), None);
    assert!(refused.with(1).err.contains("the encoding of the database is LATIN1: make one with ENCODING 'UTF8'"));
    cluster.run("postgres", "DROP DATABASE latin").unwrap();
    database.run(&format!("ALTER DATABASE {} RESET synchronous_commit", database.name())).unwrap();
    database.run("CREATE ROLE plain LOGIN; REVOKE CREATE ON SCHEMA public FROM public").unwrap();
    let url = database.url().replace("raincheck@", "plain@");
    let refused = said(command(site.path(), &["serve", "--listen", "127.0.0.1:0", "--store", &url]), None).with(1);
    assert!(refused.err.contains("permission denied") && refused.err.contains("GRANT CREATE ON SCHEMA public"));
    // It is as the message says.
    database.run("GRANT CREATE ON SCHEMA public TO plain").unwrap();
    Node::on(&url, site.path()).submit().await;
    let both = ["serve", "--data", "data", "--store", "sqlite:x.db"];
    assert!(said(command(site.path(), &both), None).with(2).err.contains("--data and --store sqlite:PATH"));
}

#[tokio::test]
async fn the_address_may_come_from_anywhere_and_is_told_without_its_password() {
    let site = TestSite::new();
    let url = site.database.url().replace("raincheck@", "raincheck:s3cret@");
    let mut shown = command(site.path(), &["config", "show", "--origin"]);
    shown.env("RAINCHECK_STORE", &url);
    let shown = said(shown, None).well();
    let line = shown.lines().find(|line| line.starts_with("url = ")).unwrap();
    assert!(line.contains("postgres://raincheck@127.0.0.1") && line.contains("$RAINCHECK_STORE"), "{line}");
    assert!(!shown.contains("s3cret"), "{shown}");
    // The file says which server, the folder of large payloads is said at the start.
    std::fs::write(site.path().join("raincheck.toml"), format!("[store]\nurl = \"{}\"\n", site.database.url()))
        .unwrap();
    let server = crate::server::Server::start(site.path(), &[]);
    assert_eq!(server.store, site.database.url());
    assert!(site.path().join("data/blobs").is_dir() && !site.path().join("data/raincheck.db").exists());
}

#[tokio::test]
async fn doctor_looks_at_it_beside_a_server_and_without_one() {
    // Not the one of all tests: doctor says that it runs without `fsync`.
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() }).unwrap();
    let database = cluster.database().unwrap();
    let (url, folder) = (database.url(), tempfile::tempdir().unwrap());
    let doctor = |more: &[&str]| {
        said(command(folder.path(), &[&["doctor", "--store", &url, "--data", "data"], more].concat()), None)
    };
    assert!(doctor(&[]).with(2).err.contains("holds no Raincheck data"));
    let mut node = Node::on(&url, folder.path());
    let job = node.submit().await;
    let lease = node.lease().await;
    node.complete(&lease, serde_json::json!(1)).await;
    node.submit().await;
    let beside = doctor(&["-o", "json"]).with(0);
    let report: Value = serde_json::from_str(&beside.out).unwrap();
    assert_eq!((&report["ok"], &report["served"]), (&true.into(), &true.into()), "{report}");
    node.server.terminate();
    let alone = doctor(&[]).with(0).out;
    assert!(alone.contains("no server has it") && alone.contains("all is well"), "{alone}");
    assert!(alone.contains("pg_amcheck"), "what can't be judged is said: {alone}");
    assert!(alone.contains("has the first history") && alone.contains("no commit waits for a standby"), "{alone}");

    // What somebody breaks by hand is found.
    let number = database.run("SELECT min(no) FROM job").unwrap();
    database.run(&format!("UPDATE job SET state=5 WHERE no={number}")).unwrap();
    let wrong = doctor(&[]).with(1).out;
    assert!(wrong.contains(job.trim_start_matches("/jobs/")) && wrong.contains("something is wrong"), "{wrong}");
}

#[tokio::test]
async fn backup_says_what_to_use_instead() {
    let site = TestSite::new();
    let refused = said(command(site.path(), &["backup", "to", "--store", &site.database.url()]), None).with(2);
    assert!(refused.err.contains("pg_dump") && refused.err.contains("large payloads"), "{refused:#?}");
    assert!(!site.path().join("to").exists());
}
