//! A database that does not answer, and nodes that are stopped where they are.

use std::time::{Duration, Instant};

use pgcluster::{Cluster, Settings};
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{LIMIT, Node, TestSite, read};
use crate::cli::{command, said};
use crate::server::until;

/// How long a caller waits at most for a database that does not answer; on a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_needs_a_silent_database_gets_503_within_seconds() {
    let cluster = Cluster::start(Settings::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url("postgres");
    let mut node = Node::on(&url, folder.path());
    let job = node.submit().await;
    let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 1, "ttl": "60s"});
    let (_, leases) = node.post("/leases", ask.clone()).await;
    let run = format!("/leases/{}", leases["leases"][0]["lease"].as_str().unwrap());
    let (heartbeat, complete, cancel) =
        (format!("{run}/heartbeat"), format!("{run}/complete"), format!("{job}/cancel"));
    cluster.freeze().unwrap();
    let begin = Instant::now();
    let large = node.ask(Method::POST, "/kinds/k/jobs").header("content-type", "video/mp4").body(vec![1; 300_000]);
    let answers = tokio::join!(
        node.post("/jobs", json!({"kind": "k"})),
        read(large),
        node.get(&job),
        node.get("/jobs"),
        node.post("/leases", ask),
        node.post(&heartbeat, json!({})),
        node.post(&complete, json!(1)),
        node.post(&cancel, json!({})),
    );
    let (a, b, c, d, e, f, g, h) = answers;
    for (status, problem) in [a, b, c, d, e, f, g, h] {
        assert_eq!((status.as_u16(), &problem["type"]), (503, &"/problems/store-unavailable".into()), "{problem}");
    }
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    until("it is not ready", LIMIT, async || node.get("/readyz").await.0 == 503).await;
    assert_eq!(node.get("/livez").await.0, 200);
    cluster.thaw().unwrap();
    until("it is ready again", LIMIT, async || node.get("/readyz").await.0 == 200).await;
    assert_eq!(node.post(&complete, json!(1)).await.0, 200);
    assert_eq!(node.get("/jobs").await.1["items"].as_array().unwrap().len(), 1, "what was refused is not there");

    // It does not start on one that is silent, and does not stay for one.
    cluster.freeze().unwrap();
    let begin = Instant::now();
    let refused = said(command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--store", &url]), None).with(1);
    assert!(refused.err.contains("does not answer"), "{refused:#?}");
    assert!(begin.elapsed() < 2 * PATIENCE, "{:?}", begin.elapsed());
    let (code, took) = node.server.terminate();
    assert!(code == Some(0) && took < PATIENCE, "{code:?} after {took:?}");
    cluster.thaw().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_outlive_a_stop_of_every_node() {
    let site = TestSite::new();
    let nodes = [site.node(), site.node()];
    let job = nodes[0].submit().await;
    let lease = nodes[0].lease().await;
    // The other one knows of it, and so both look when it seems to be over.
    let mut watch = nodes[1].watch(&job).await;
    watch.until("started").await;
    let signal = |signal| {
        for node in &nodes {
            let pid = Pid::from_raw(i32::try_from(node.server.pid()).unwrap()).unwrap();
            kill_process(pid, signal).unwrap();
        }
    };
    signal(Signal::STOP);
    // Longer than the lease, and than nodes need to notice that nobody could be heard.
    tokio::time::sleep(Duration::from_secs(8)).await;
    signal(Signal::CONT);
    let heartbeat = format!("/leases/{}/heartbeat", lease["lease"].as_str().unwrap());
    for node in nodes.iter().chain(&nodes) {
        let (status, answer) = node.post(&heartbeat, json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(nodes[1].complete(&lease, json!(1)).await.0, 200);
    assert_eq!(watch.types().await, ["created", "started", "succeeded"]);
}
