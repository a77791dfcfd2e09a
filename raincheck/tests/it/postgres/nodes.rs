//! Two servers on one database: whatever is done at one is seen at the other, in the same order.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{LIMIT, Node, TestSite};
use crate::server::until;

#[tokio::test]
async fn submitted_at_one_watched_leased_and_done_at_the_other() {
    let site = TestSite::new();
    let (one, two) = (site.node(), site.node());
    let job = one.submit().await;
    let watch = two.watch(&job).await;
    let waiting = tokio::spawn(super::read(one.ask(Method::GET, &format!("{job}?wait=20s"))));
    let lease = two.lease().await;
    // Leased at one, done at the other.
    assert_eq!(one.complete(&lease, json!("done")).await.0, 200);
    assert_eq!(watch.types().await, ["created", "started", "succeeded"]);
    assert_eq!(waiting.await.unwrap().1["result"]["value"], "done");
    assert_eq!(two.state(&job).await, "succeeded");
}

/// Each node counts what it did, so that the sum over all of them is what was done; what the database holds, all tell alike.
#[tokio::test]
async fn what_was_done_is_the_sum_of_what_nodes_count() {
    let site = TestSite::new();
    let (one, two) = (site.node(), site.node());
    let job = one.submit().await;
    let lease = two.lease().await;
    assert_eq!(one.complete(&lease, json!("done")).await.0, 200);
    // Both have heard of all of it, and counted what they count.
    for node in [&one, &two] {
        assert_eq!(node.watch(&job).await.types().await, ["created", "started", "succeeded"]);
    }
    for (name, count) in [
        ("raincheck_jobs_submitted_total ", 1),
        ("raincheck_jobs_leased_total ", 1),
        ("raincheck_jobs_succeeded_total ", 1),
        ("raincheck_events_total ", 3),
        ("raincheck_kind_jobs_finished_total{kind=\"k\",state=\"succeeded\"} ", 1),
        ("raincheck_kind_wait_seconds_count{kind=\"k\"} ", 1),
        ("raincheck_kind_run_seconds_count{kind=\"k\"} ", 1),
    ] {
        assert_eq!(one.figure(name).await + two.figure(name).await, count, "{name}");
    }
    let held = "raincheck_queue_jobs{queue=\"default\",state=\"succeeded\"} ";
    until("both tell what is held", LIMIT, async || (one.figure(held).await, two.figure(held).await) == (1, 1)).await;
}

/// A worker that waits at one node gets what is submitted at the other, without waiting for a look.
#[tokio::test]
async fn a_waiting_worker_is_woken_by_the_other_node() {
    let site = TestSite::new();
    let (one, two) = (site.node(), site.node());
    // The first one makes queue and kind known, and the nodes to each other.
    one.submit().await;
    two.lease().await;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 1, "wait": "20s", "ttl": "60s"});
        let waiting = tokio::spawn(super::read(two.ask(Method::POST, "/leases").json(&ask)));
        until("the worker waits", LIMIT, async || {
            let (_, workers) = two.get("/workers").await;
            workers["items"].as_array().is_some_and(|all| !all.is_empty())
        })
        .await;
        let started = Instant::now();
        let job = one.submit().await;
        let (status, answer) = waiting.await.unwrap();
        best = best.min(started.elapsed());
        assert_eq!(status, 200);
        assert_eq!(format!("/jobs/{}", answer["leases"][0]["job"]["id"].as_str().unwrap()), job);
    }
    assert!(best < Duration::from_millis(500), "{best:?}");
}

/// A cancel at one node is told to a run that was leased at the other.
#[tokio::test]
async fn a_cancel_crosses_over() {
    let site = TestSite::new();
    let (one, two) = (site.node(), site.node());
    let job = one.submit().await;
    let lease = two.lease().await;
    let heartbeat = format!("/leases/{}/heartbeat", lease["lease"].as_str().unwrap());
    let ask = two.ask(Method::POST, &heartbeat).json(&json!({"ttl": "20s", "wait": "20s"}));
    let asks = tokio::spawn(super::read(ask));
    assert_eq!(one.post(&format!("{job}/cancel"), json!({})).await.0, 202);
    assert_eq!(asks.await.unwrap().1["cancel_requested"], true);
}

/// One node is killed in the middle; what it acknowledged goes on at the other, and a resumed watch has no hole.
#[tokio::test]
async fn a_killed_node_leaves_its_jobs_to_the_other() {
    let site = TestSite::new();
    let (mut one, two) = (site.node(), site.node());
    let job = one.submit().await;
    let lost = one.lease().await;
    let other = one.submit().await;
    one.server.kill();
    // Queued goes on at once, running when its lease is over.
    let second = two.lease().await;
    assert_eq!(format!("/jobs/{}", second["job"]["id"].as_str().unwrap()), other);
    assert_eq!(two.complete(&second, json!(2)).await.0, 200);
    let third = two.lease().await;
    assert_eq!((&third["job"]["id"], &third["attempt"]), (&lost["job"]["id"], &json!(2)));
    assert_eq!(two.complete(&third, json!(3)).await.0, 200);
    assert_eq!(two.complete(&lost, json!(1)).await.0, 409);
    assert_eq!(two.watch(&job).await.types().await, ["created", "started", "lost", "started", "succeeded"]);
}

/// Many write at both nodes; who watches the whole feed at either sees every event once, in one order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_tell_the_same_feed() {
    const JOBS: usize = 60;
    let site = TestSite::new();
    let nodes = [site.node(), site.node()];
    let feeds = nodes.each_ref().map(|node| tokio::spawn(feed(node, JOBS)));
    futures_util::stream::iter(0..JOBS)
        .for_each_concurrent(8, |n| {
            let node = &nodes[n % 2];
            async move { drop(node.submit().await) }
        })
        .await;
    let [one, two] = feeds;
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!(one.len(), JOBS);
    assert_eq!(one, two);
    let read: Vec<String> = {
        let (_, page) = nodes[0].get("/events?after=0").await;
        page["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{page}"))
            .iter()
            .map(|event| event["job"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(read, one);
}

/// The jobs of so many events of the whole feed, as they are told.
fn feed(node: &Node, count: usize) -> impl Future<Output = Vec<String>> + use<> {
    let ask = node.ask(Method::GET, "/events?after=0").header("accept", "text/event-stream");
    async move {
        let mut stream = ask.send().await.unwrap().bytes_stream();
        let (mut text, mut jobs) = (String::new(), Vec::new());
        let all = async {
            while jobs.len() < count {
                text += std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap();
                while let Some((frame, rest)) = text.split_once("\n\n") {
                    if let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) {
                        let event: Value = serde_json::from_str(data).unwrap();
                        jobs.push(event["job"].as_str().unwrap().to_owned());
                    }
                    text = rest.to_owned();
                }
            }
        };
        tokio::time::timeout(LIMIT, all).await.expect("every event is told");
        jobs
    }
}

/// A node that is told to stop is reached until the runs of its own workers are over, and waits for nobody else's; the other
/// goes on.
#[tokio::test]
async fn a_node_that_stops_waits_for_its_own_workers() {
    let site = TestSite::new();
    let (mut one, mut two) = (site.node(), site.node());
    let lease = async |node: &Node, worker: &str| {
        node.submit().await;
        let ask = json!({"worker": {"name": worker}, "kinds": ["k"], "wait": "20s", "ttl": "60s"});
        node.post("/leases", ask).await.1["leases"][0].clone()
    };
    let (first, second) = (lease(&one, "of one").await, lease(&two, "of two").await);
    let signaled_at = Instant::now();
    one.server.tell_to_stop();
    until("it drains", LIMIT, async || one.get("/readyz").await.0 == 503).await;
    let asked = one.post("/leases", json!({"kinds": ["k"], "wait": "20s"})).await;
    assert_eq!((asked.0.as_u16(), &asked.1["drain"]), (200, &json!(true)));
    assert_eq!(one.post("/jobs", json!({"kind": "k"})).await.0, 503);
    assert_eq!(one.complete(&first, json!(1)).await.0, 200);
    assert_eq!(one.server.ended(), Some(0));
    assert!(signaled_at.elapsed() < Duration::from_secs(8), "it waited for the other's: {:?}", signaled_at.elapsed());
    assert_eq!(two.get("/readyz").await.0, 200);
    let third = lease(&two, "of two").await;
    for lease in [second, third] {
        assert_eq!(two.complete(&lease, json!(2)).await.0, 200);
    }
    assert_eq!(two.server.terminate().0, Some(0));
}
