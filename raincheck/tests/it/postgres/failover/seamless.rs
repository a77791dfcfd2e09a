//! Nothing is lost: nobody notices more than a pause, and nobody is told what is not so.

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
    site.primary.stop(Stop::Kill).unwrap();
    site.standby.promote().unwrap();
    way.lead(site.standby.port());
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
