//! One server on PostgreSQL: the life of a job, and what survives what.

use std::time::{Duration, Instant};

use pgcluster::{Cluster, Settings, Stop};
use reqwest::Method;
use serde_json::{Value, json};

use super::{LIMIT, Node, TestSite, read};
use crate::server::until;

#[tokio::test]
async fn a_job_is_submitted_watched_leased_and_done() {
    let site = TestSite::new();
    let node = site.node();
    let job = node.submit().await;
    assert_eq!(node.state(&job).await, "queued");
    let watch = node.watch(&job).await;
    let waiting = tokio::spawn(read(node.ask(Method::GET, &format!("{job}?wait=20s"))));
    let lease = node.lease().await;
    assert_eq!(lease["job"]["input"], json!({"n": 1}));
    let (status, _) = node.complete(&lease, json!({"answer": 42})).await;
    assert_eq!(status, 200);
    let (status, done) = waiting.await.unwrap();
    assert_eq!((status.as_u16(), &done["result"]["value"]), (200, &json!({"answer": 42})));
    assert_eq!(watch.types().await, ["created", "started", "succeeded"]);
    // The same again is the same answer, another one is too late.
    assert_eq!(node.complete(&lease, json!({"answer": 42})).await.0, 200);
    assert_eq!(node.complete(&lease, json!({"answer": 43})).await.0, 409);
    let (_, page) = node.get("/jobs?state=succeeded&kind=k").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let (_, queue) = node.get("/queues/default").await;
    assert_eq!(queue["name"], "default", "{queue}");
}

#[tokio::test]
async fn a_key_means_one_job_however_often_it_is_sent() {
    let site = TestSite::new();
    let node = site.node();
    let body = json!({"kind": "k", "input": 1});
    let send = || read(node.ask(Method::POST, "/jobs").header("idempotency-key", "\"once\"").json(&body));
    let answers = futures_util::future::join_all((0..16).map(|_| send())).await;
    for (status, job) in &answers {
        assert_eq!((status.as_u16(), &job["id"]), (202, &answers[0].1["id"]));
    }
    let other = node.ask(Method::POST, "/jobs").header("idempotency-key", "\"once\"").json(&json!({"kind": "other"}));
    assert_eq!(read(other).await.0, 422);
    assert_eq!(node.get("/jobs").await.1["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancel_reaches_what_waits_and_what_runs() {
    let site = TestSite::new();
    let node = site.node();
    let waiting = node.submit().await;
    assert_eq!(node.post(&format!("{waiting}/cancel"), json!({})).await.0, 200);
    assert_eq!(node.state(&waiting).await, "canceled");

    let running = node.submit().await;
    let lease = node.lease().await;
    let heartbeat = format!("/leases/{}/heartbeat", lease["lease"].as_str().unwrap());
    let asks = read(node.ask(Method::POST, &heartbeat).json(&json!({"ttl": "20s", "wait": "20s"})));
    let asks = tokio::spawn(asks);
    assert_eq!(node.post(&format!("{running}/cancel"), json!({})).await.0, 202);
    assert_eq!(asks.await.unwrap().1["cancel_requested"], true);
}

#[tokio::test]
async fn a_restart_of_the_server_keeps_everything() {
    let site = TestSite::new();
    let mut node = site.node();
    let (queued, done) = (node.submit().await, node.submit().await);
    let lease = node.lease().await;
    let first = format!("/jobs/{}", lease["job"]["id"].as_str().unwrap());
    assert_eq!(node.complete(&lease, json!("kept")).await.0, 200);
    let (code, _) = node.server.terminate();
    assert_eq!(code, Some(0));
    let node = site.node();
    assert_eq!(first, queued, "the older job goes first");
    assert_eq!(node.get(&first).await.1["result"]["value"], "kept");
    assert_eq!(node.state(&done).await, "queued");
    let lease = node.lease().await;
    assert_eq!(node.complete(&lease, json!("too")).await.0, 200);
    assert_eq!(node.state(&done).await, "succeeded");
}

/// The database crashes under a server that goes on: what was acknowledged is there, and work is taken again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_database_is_got_over() {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on(&cluster.url("postgres"), folder.path());
    let job = node.submit().await;
    tokio::task::block_in_place(|| cluster.restart(Stop::Immediate)).unwrap();
    until("it serves again", LIMIT, async || node.get(&job).await.0.is_success()).await;
    assert_eq!(node.state(&job).await, "queued");
    let watch = node.watch(&job).await;
    until("it takes jobs again", LIMIT, async || node.post("/jobs", json!({"kind": "other"})).await.0.is_success())
        .await;
    let lease = node.lease().await;
    assert_eq!(node.complete(&lease, json!(1)).await.0, 200);
    assert_eq!(watch.types().await, ["created", "started", "succeeded"]);
    // While it is down, the server says so, and what it can't take is refused, not lost.
    tokio::task::block_in_place(|| cluster.stop(Stop::Immediate)).unwrap();
    let (status, problem) = node.post("/jobs", json!({"kind": "k"})).await;
    assert_eq!((status.as_u16(), type_of(&problem)), (503, "store-unavailable"), "{problem}");
    until("it is not ready", LIMIT, async || node.get("/readyz").await.0 == 503).await;
    assert_eq!(node.get("/livez").await.0, 200);
    tokio::task::block_in_place(|| cluster.resume()).unwrap();
    until("it is ready again", LIMIT, async || node.get("/readyz").await.0 == 200).await;
    assert_eq!(node.get("/jobs?kind=k").await.1["items"].as_array().unwrap().len(), 1);
}

/// A lease that nobody extends ends by the database's clock, and its job runs again.
#[tokio::test]
async fn a_dead_workers_job_is_leased_again() {
    let site = TestSite::new();
    let node = site.node();
    let job = node.submit().await;
    let first = node.lease().await;
    let started = Instant::now();
    let second = node.lease().await;
    let waited = started.elapsed();
    assert_eq!((&second["attempt"], &second["job"]["id"]), (&json!(2), &first["job"]["id"]));
    assert!(waited >= Duration::from_millis(1_900) && waited <= Duration::from_millis(3_500), "{waited:?}");
    let (status, problem) = node.complete(&first, json!("late")).await;
    assert_eq!((status.as_u16(), type_of(&problem)), (409, "lease-lost"));
    assert_eq!(node.complete(&second, json!("good")).await.0, 200);
    assert_eq!(node.get(&job).await.1["result"]["value"], "good");
}

fn type_of(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default()
}
