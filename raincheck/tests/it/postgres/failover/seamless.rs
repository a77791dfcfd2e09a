//! Nothing is lost: nobody notices more than a pause, and nobody is told what is not so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pgcluster::{Replication, Stop};
use reqwest::Method;
use serde_json::json;

use super::{LIMIT, Site};
use crate::server::until;

/// How long a caller waits at most for a database that does not answer; on a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_takes_over_with_leases_and_cursors() {
    let site = Site::new(Replication::Synchronous);
    let way = site.way();
    let nodes = [site.node(&way), site.node(&way)];
    let job = nodes[0].submit().await;
    let lease = nodes[0].lease_all(&["k".to_owned()], 1).await.remove(0).1;
    let (seen, _) = nodes[0].head().await;
    let watch = nodes[1].watch(&job).await;
    // The last of what was acknowledged.
    let last = nodes[0].submit().await;
    site.take_over(&way);
    for node in &nodes {
        node.insist("/jobs", &json!({"kind": "after"})).await;
        assert_eq!(node.state(&last).await, "queued");
        let (status, answer) = node.post(&format!("/leases/{lease}/heartbeat"), json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (status, page) = nodes[1].get(&format!("/events?after={seen}")).await;
    assert_eq!((status.as_u16(), page["items"].as_array().map(Vec::len)), (200, Some(3)), "{page}");
    assert_eq!(nodes[1].post(&format!("/leases/{lease}/complete"), json!(1)).await.0, 200);
    assert_eq!(watch.types().await, ["created", "started", "succeeded"]);
    for node in &nodes {
        node.is_ready().await;
        assert_eq!(node.changes().await, 0, "{:#?}", node.server.said());
    }
}

/// A proxy leads to the standby, and back without ending a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_stay_with_a_standby() {
    let site = Site::new(Replication::Synchronous);
    let way = site.way();
    let node = site.node(&way);
    node.submit().await;
    let lease = node.lease_all(&["k".to_owned()], 1).await.remove(0).1;
    way.lead(site.standby.port());
    way.cut();
    until("it is not ready", LIMIT, async || node.get("/readyz").await.0 == 503).await;
    let begin = Instant::now();
    let (status, problem) = node.post("/jobs", json!({"kind": "k"})).await;
    assert_eq!((status.as_u16(), &problem["type"]), (503, &"/problems/store-unavailable".into()), "{problem}");
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    way.lead(site.primary.port());
    node.insist("/jobs", &json!({"kind": "k"})).await;
    node.is_ready().await;
    assert_eq!(node.post(&format!("/leases/{lease}/complete"), json!(1)).await.0, 200);
    assert_eq!(node.get("/jobs").await.1["items"].as_array().unwrap().len(), 2, "what was refused is not there");
    assert_eq!(node.changes().await, 0, "{:#?}", node.server.said());
}

/// A commit is done, its answer is lost, and who is asked next is a standby that does not know of it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_not_asked_what_became_of_a_commit() {
    let site = Site::new(Replication::Asynchronous);
    let way = site.way();
    let node = site.node(&way);
    node.submit().await;
    site.standby.catch_up(&site.primary).unwrap();
    site.standby.pause_replay().unwrap();
    way.lose_commit("not answered", site.standby.port());
    let job = json!({"kind": "k", "input": "not answered"});
    let begin = Instant::now();
    match node.ask(Method::POST, "/jobs").json(&job).send().await {
        Err(broken) => assert!(!broken.is_timeout() && !broken.is_connect(), "{broken:?}"),
        Ok(answer) => assert_eq!(answer.status(), 202, "the job is there"),
    }
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    assert_eq!(way.commits_lost(), 1);
    way.lead(site.primary.port());
    node.insist("/jobs", &json!({"kind": "k"})).await;
    assert_eq!(node.get("/jobs").await.1["items"].as_array().unwrap().len(), 3);
    node.is_ready().await;
    assert_eq!(node.changes().await, 0, "{:#?}", node.server.said());
}

/// The standby that every commit waits for is gone: what is done here already is not told as refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_for_a_standby_is_not_told_as_refused() {
    let site = Site::new(Replication::Synchronous);
    let way = site.way();
    let node = site.node(&way);
    node.submit().await;
    site.standby.stop(Stop::Kill).unwrap();
    let begin = Instant::now();
    let answer = node.ask(Method::POST, "/jobs").json(&json!({"kind": "k"})).send().await;
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    until("it is not ready", LIMIT, async || node.get("/readyz").await.0 == 503).await;
    site.primary.wait_for_nobody().unwrap();
    node.is_ready().await;
    let there = node.get("/jobs").await.1["items"].as_array().unwrap().len();
    match answer {
        Err(broken) => assert!(!broken.is_timeout() && !broken.is_connect(), "{broken:?}"),
        Ok(answer) => assert_eq!((answer.status().as_u16(), there), (503, 1)),
    }
    node.insist("/jobs", &json!({"kind": "k"})).await;
}

/// Somebody ends the wait of a commit for the standby, and somebody else has told the server meanwhile that commits wait for
/// nothing: neither makes an acknowledgment of what the standby does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_the_standby_that_is_cut_short_is_no_acknowledgment() {
    let site = Site::new(Replication::Synchronous);
    let way = site.way();
    let node = site.node(&way);
    node.submit().await;
    let run = |sql: &str| site.primary.run("postgres", sql).unwrap();
    run("ALTER SYSTEM SET synchronous_commit = off");
    run("SELECT pg_reload_conf()");
    until("it is so", LIMIT, async || run("SHOW synchronous_commit") == "off").await;
    site.standby.freeze().unwrap();
    let cuts = AtomicUsize::new(0);
    let job = json!({"kind": "k"});
    let submit = async { node.ask(Method::POST, "/jobs").json(&job).send().await };
    let cut = async {
        loop {
            let cut = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            cuts.fetch_add(run(cut).parse().unwrap(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = tokio::select! { answer = submit => answer, () = cut => unreachable!() };
    assert!(cuts.load(Ordering::Relaxed) > 0, "nothing waited for the standby: {answer:?}");
    assert!(answer.as_ref().is_err_and(|broken| !broken.is_timeout() && !broken.is_connect()), "{answer:?}");
    site.standby.thaw().unwrap();
    run("ALTER SYSTEM RESET synchronous_commit");
    run("SELECT pg_reload_conf()");
    node.insist("/jobs", &job).await;
    node.is_ready().await;
    assert_eq!(node.changes().await, 0, "{:#?}", node.server.said());
}

/// The address leads to the data of others, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_serves_no_other_store() {
    let (site, others) = (Site::new(Replication::Asynchronous), Site::new(Replication::Asynchronous));
    let (way, their_way) = (site.way(), others.way());
    let (node, stranger) = (site.node(&way), others.node(&their_way));
    node.submit().await;
    let theirs = stranger.submit().await;
    way.lead(others.primary.port());
    way.cut();
    until("it is not ready", LIMIT, async || node.get("/readyz").await.0 == 503).await;
    for _ in 0..9 {
        assert_eq!(node.post("/jobs", json!({"kind": "k"})).await.0, 503);
        assert_eq!(node.post("/leases", json!({"worker": {"name": "w"}, "kinds": ["k"]})).await.0, 503);
        assert_eq!(node.get("/readyz").await.0, 503);
    }
    assert_eq!(node.get(&theirs).await.0, 503);
    assert_eq!(others.primary.run("postgres", "SELECT count(*) FROM node").unwrap(), "1");
    assert!(node.server.said().iter().any(|line| line.contains("leads to another store")), "{:#?}", node.server.said());
    way.lead(site.primary.port());
    way.cut();
    node.is_ready().await;
    node.insist("/jobs", &json!({"kind": "k"})).await;
    assert_eq!(node.get("/jobs").await.1["items"].as_array().unwrap().len(), 2);
    assert_eq!(stranger.get("/jobs").await.1["items"].as_array().unwrap().len(), 1);
}
