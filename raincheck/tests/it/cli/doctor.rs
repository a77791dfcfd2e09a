//! `raincheck doctor`: beside a server, without one, after a kill, and where something is wrong.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Cli, Said, command, said};

fn doctor(folder: &Path, more: &[&str]) -> Said {
    said(command(folder, &[&["doctor", "--data", "data"], more].concat()), None)
}

fn report(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap()
}

fn found(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().filter(|c| c["result"] == "found").map(|c| c["check"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_judges_a_server_and_what_a_killed_one_left() {
    let mut cli = Cli::new();
    for number in 0..50 {
        cli.run(&["submit", "k", &number.to_string(), "--key", &number.to_string()]).well();
    }
    let said = doctor(cli.folder.path(), &[]);
    let out = said.well();
    assert!(out.contains("beside its server") && out.contains("all is well"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("ok") && line.contains("counters")), "{out}");
    cli.server.kill();
    let said = doctor(cli.folder.path(), &["-o", "json"]).with(0);
    let report = report(&said);
    assert_eq!((&report["ok"], &report["served"]), (&true.into(), &false.into()), "{report:#}");
    assert!(report["looked"].as_u64().unwrap() > 200, "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() > 15 && checks.iter().all(|check| check["result"] == "ok"), "{report:#}");
}

#[test]
fn what_is_wrong_is_named_with_its_job() {
    let mut cli = Cli::new();
    let large = cli.folder.path().join("large");
    fs::write(&large, vec![7; 100_000]).unwrap();
    let ids: Vec<String> =
        (0..7).map(|_| cli.run(&["submit", "k", "--file", &large.display().to_string()]).well()).collect();
    cli.server.terminate();
    assert_eq!(doctor(cli.folder.path(), &[]).code, 0);
    for shard in fs::read_dir(cli.folder.path().join("data/blobs")).unwrap() {
        let shard = shard.unwrap().path();
        if shard.is_dir() && !shard.ends_with("tmp") {
            fs::remove_dir_all(shard).unwrap();
        }
    }
    let said = doctor(cli.folder.path(), &["-o", "json"]).with(1);
    let report = report(&said);
    assert_eq!(found(&report), ["files"], "{report:#}");
    let files = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "files").unwrap();
    assert_eq!((&files["found"], files["first"].as_array().unwrap().len()), (&7.into(), 5), "{report:#}");
    assert_eq!(files["first"][0]["subject"], ids[0].as_str());
    let out = doctor(cli.folder.path(), &[]).with(1).out;
    for says in ["found 7", &ids[0], "and 2 more", "next:", "something is wrong"] {
        assert!(out.contains(says), "{says}: {out}");
    }
}

#[test]
fn where_no_data_is_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let err = doctor(folder.path(), &[]).with(2).err;
    assert!(err.contains("data/raincheck.db") && err.contains("--data"), "{err}");
    let backup = said(command(folder.path(), &["backup", "to", "--data", "nothere"]), None).with(2).err;
    assert!(backup.contains("nothere/raincheck.db") && backup.contains("--data"), "{backup}");
    let from = ["migrate", "--from", "sqlite:nothere/x.db", "--to", "postgres://nobody@127.0.0.1:1/none"];
    let migrate = said(command(folder.path(), &from), None).with(2).err;
    assert!(migrate.contains("nothere/x.db") && migrate.contains("--from sqlite:PATH"), "{migrate}");
    assert!(!migrate.contains("--data") && !migrate.contains("--store"), "{migrate}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it made nothing");
}

#[test]
fn where_the_data_is_gone_every_verb_says_what_and_what_to_do() {
    let mut cli = Cli::new();
    cli.run(&["submit", "k", "1"]).well();
    cli.server.terminate();
    let (data, folder) = (cli.folder.path().join("data"), cli.folder.path());
    let database = data.join("raincheck.db");
    let says = |what: &str, next: &str| {
        for verb in [&["doctor", "--data", "data"][..], &["backup", "copy", "--data", "data"]] {
            let said = said(command(folder, verb), None);
            let err = said.err.split_once("next: ").unwrap_or_else(|| panic!("{said:?}"));
            assert!(said.code != 0 && err.0.contains(what) && err.1.contains(next), "{what}: {said:?}");
        }
        assert!(!folder.join("copy").exists());
    };
    fs::write(&database, "").unwrap();
    says("raincheck.db is missing or empty, but", "put the database back");
    fs::remove_file(&database).unwrap();
    says("raincheck.db is missing or empty, but", "put the database back");
    fs::remove_dir_all(&data).unwrap();
    says("raincheck.db is missing, and so is its folder", "--data FOLDER");
    fs::create_dir(&data).unwrap();
    says("raincheck.db is missing", "--data FOLDER");
    fs::write(&database, "").unwrap();
    says("raincheck.db is empty", "--data FOLDER");
    fs::write(&database, "no database at all").unwrap();
    says("file is not a database", "go back to a backup");
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    says("raincheck.db is a folder", "--store sqlite:PATH");
}

#[test]
fn payloads_that_lie_elsewhere_are_told_of_once() {
    let mut cli = Cli::new();
    for _ in 0..3 {
        cli.feed(&["submit", "k", "--file", "-"], &[7; 100_000]).well();
    }
    cli.server.terminate();
    fs::rename(cli.folder.path().join("data/blobs"), cli.folder.path().join("away")).unwrap();
    let report = report(&doctor(cli.folder.path(), &["-o", "json"]).with(1));
    assert!(found(&report).contains(&"owner".to_owned()), "{report:#}");
    assert!(!found(&report).contains(&"files".to_owned()), "{report:#}");
    let out = doctor(cli.folder.path(), &[]).with(1).out;
    assert!(out.contains("they lie elsewhere") && out.contains("next: a server does not start on it: mount"), "{out}");
    assert!(!out.contains("go back to a backup"), "{out}");
}

#[test]
fn a_file_for_a_folder_is_told_of() {
    let mut cli = Cli::new();
    cli.server.terminate();
    for verb in [&["doctor"][..], &["backup", "copy"], &["serve", "--listen", "127.0.0.1:0"]] {
        let said = said(command(cli.folder.path(), &[verb, &["--data", "data/raincheck.db"]].concat()), None);
        assert!(said.code != 0 && said.err.contains("is a file, not a folder"), "{said:?}");
        assert!(said.err.contains("--data data\n"), "{said:?}");
    }
}

#[test]
fn payloads_are_looked_for_where_the_settings_have_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[store]\nurl = \"sqlite:data/raincheck.db\"\nblobs = \"payloads\"\n";
    fs::write(folder.path().join("raincheck.toml"), settings).unwrap();
    // Started with `--data data`, which is what the settings name.
    let mut cli = Cli { server: crate::server::Server::start(folder.path(), &[]), folder };
    cli.feed(&["submit", "k", "--file", "-"], &[7; 100_000]).well();
    cli.server.terminate();
    assert!(cli.folder.path().join("payloads/store-id").exists() && !cli.folder.path().join("data/blobs").exists());
    let run = |verb: &[&str]| said(command(cli.folder.path(), verb), None).with(0);
    for which in [&["--data", "data"][..], &["--store", "sqlite:data/../data/raincheck.db"], &[]] {
        assert_eq!(run(&[&["doctor"], which].concat()).err, "");
    }
    let made = run(&["backup", "copy", "--data", "data", "-o", "json"]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!(made["files"], 1, "{made:#}");
    // Other data than the settings name has its payloads beside it, which is said.
    let output = run(&["doctor", "--data", "copy"]).err;
    assert!(output.contains("note: large payloads are taken from copy/blobs, not from payloads as"), "{output}");
    assert!(output.contains("raincheck.toml:3"), "{output}");
}
