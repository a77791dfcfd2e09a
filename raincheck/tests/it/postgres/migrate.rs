//! `raincheck migrate`: a server goes on in a database where it stopped in its file.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{LIMIT, Node, TestSite};
use crate::cli::{command, said};
use crate::server::{Server, until};

const FROM: &str = "sqlite:data/raincheck.db";

#[tokio::test]
async fn a_server_goes_on_where_it_stopped() {
    let site = TestSite::new();
    let url = site.database.url();
    let migrate =
        |from: &str| said(command(site.path(), &["migrate", "--from", from, "--to", &url, "-o", "json"]), None);

    let mut old = Node { server: Server::start(site.path(), &[]), http: reqwest::Client::new() };
    let done = old.submit().await;
    let lease = old.lease().await;
    // Larger than what goes into the database: a file that stays where it is.
    let large = "x".repeat(300_000);
    assert_eq!(old.complete(&lease, json!(large)).await.0, 200);
    let keyed = json!({"kind": "k", "input": {"n": 2}, "key": "of-my-own"});
    let (_, waiting) = old.post("/jobs", keyed.clone()).await;
    let (_, before) = old.get("/events?after=0").await;
    assert!(migrate(FROM).with(1).err.contains("stop the server"), "a server has it");
    old.server.terminate();

    let other = migrate(&url).with(2).err;
    assert!(other.contains("only a file is moved") && other.contains("pg_dump"), "{other}");
    assert!(migrate("sqlite:nothing/here.db").code != 0);
    let moved: Value = serde_json::from_str(&migrate(FROM).well()).unwrap();
    assert_eq!((&moved["jobs"], &moved["events"]), (&2.into(), &4.into()), "{moved}");
    assert_eq!(moved["from"], "data/raincheck.db");
    let again = migrate(FROM).with(1).err;
    assert!(again.contains("empty database"), "{again}");

    let node = site.node();
    assert_eq!(node.state(&done).await, "succeeded");
    let result = node.ask(Method::GET, &format!("{done}/result")).send().await.unwrap();
    assert_eq!(result.json::<String>().await.unwrap(), large);
    assert_eq!(node.get("/events?after=0").await.1, before);
    let (status, same) = node.post("/jobs", keyed).await;
    assert_eq!((status, &same["id"]), (StatusCode::ACCEPTED, &waiting["id"]), "{same}");
    let lease = node.lease().await;
    assert_eq!(lease["job"]["id"], waiting["id"], "{lease}");
    assert_eq!(node.complete(&lease, json!(1)).await.0, 200);
}

/// A lease begins anew when it is moved: nothing is said of the time before.
#[tokio::test]
async fn a_move_is_no_silence() {
    let site = TestSite::new();
    let mut old = Node { server: Server::start(site.path(), &[]), http: reqwest::Client::new() };
    old.submit().await;
    let lease = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 1, "ttl": "1h"});
    assert_eq!(old.post("/leases", lease).await.0, 200);
    old.server.terminate();
    said(command(site.path(), &["migrate", "--from", FROM, "--to", &site.database.url()]), None).well();
    let shown = || site.database.run("SELECT at FROM life").unwrap();
    let mut last = shown();
    let node = site.node();
    // The first sign of life has been told of when the second is there.
    for _ in 0..2 {
        until("it shows that it lives", LIMIT, async || shown() != last).await;
        last = shown();
    }
    for line in node.server.said().into_iter().filter(|line| line.contains("nobody could renew")) {
        let gap = serde_json::from_str::<Value>(&line).unwrap()["gap_ms"].as_i64().unwrap();
        assert!(gap < 3_600_000, "{line}");
    }
}

#[tokio::test]
async fn only_data_is_said_to_have_been_put_back() {
    let site = TestSite::new();
    let url = site.database.url();
    let restored = || said(command(site.path(), &["migrate", "--restored", "--to", &url]), None);
    let other = restored().with(2).err;
    assert!(other.contains("holds no Raincheck data") && other.contains("is its name right?"), "{other}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(site.database.run(tables).unwrap(), "0");

    let mut node = site.node();
    node.submit().await;
    // Longer than it takes to stop.
    assert_eq!(node.post("/leases", json!({"kinds": ["k"], "ttl": "60s"})).await.0, 200);
    node.server.terminate();
    let output = restored().well();
    let fact = |name: &str| {
        output.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{output}")).to_owned()
    };
    assert!(fact("history").ends_with("\t2") && fact("leases kept").ends_with("\t1"), "{output}");
    assert!(fact("last event").ends_with(" UTC") && fact("void").contains("given out later"), "{output}");
    let node = site.node();
    let metrics = node.ask(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("raincheck_histories 2\n"), "{metrics}");
    assert!(!metrics.contains("raincheck_disk_free_bytes"), "nobody knows what is free there: {metrics}");
}
