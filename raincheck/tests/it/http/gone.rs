//! Clients that are gone while they are answered, and clients that have only nothing more to say.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::server::until;
use super::test_server::{TestServer, text};

const SOON: Duration = Duration::from_secs(20);

async fn open(server: &TestServer, request: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(format!("{request}{more}").as_bytes()).await.unwrap();
    stream
}

fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n")
}

/// A request of `worker` for work has been taken in.
async fn waits(server: &TestServer, worker: &str) {
    let is_known = async || {
        let workers = server.get("/workers").await.json();
        workers["items"].as_array().unwrap().iter().any(|known| known["name"] == worker)
    };
    until("a worker waits", SOON, is_known).await;
}

fn ask(worker: &str, wait: &str, ttl: &str) -> String {
    post("/leases", &json!({"worker": {"name": worker}, "kinds": ["k"], "wait": wait, "ttl": ttl}))
}

/// Only the one that asks is left.
async fn alone(server: &TestServer) {
    let alone = async || server.get("/metrics").await.text().contains("raincheck_http_connections 1\n");
    until("the others are gone", SOON, alone).await;
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("no answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The worker has left in each of these ways: none of them gets the next job, which is the first run of another one.
#[tokio::test]
async fn work_is_not_given_to_who_is_gone() {
    let server = TestServer::new().await;
    for (worker, more, resets) in [("a", "", false), ("b", "x", false), ("c", "", true), ("d", "x", true)] {
        let stream = open(&server, &ask(worker, "50s", "24h"), more).await;
        waits(&server, worker).await;
        if resets {
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
        alone(&server).await;
    }
    // What they asked the store for is through when this is: it is asked in turn, and there was nothing yet.
    assert_eq!(server.post("/leases", json!({"kinds": ["k"]})).await.status, 204);
    server.job().await;
    let lease = server.lease("k").await;
    assert_eq!(lease["attempt"], 1, "a worker that is gone had it");
}

#[tokio::test]
async fn who_closes_only_its_half_is_answered() {
    let server = TestServer::new().await;
    for (worker, more) in [("a", ""), ("b", "x")] {
        let mut stream = open(&server, &ask(worker, "50s", "30s"), more).await;
        stream.shutdown().await.unwrap();
        waits(&server, worker).await;
        let job = server.job().await;
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"lease\":"), "{answer}");
        assert!(answer.contains(&job), "{answer}");
    }
    let none = post("/leases", &json!({"kinds": ["x"], "wait": "1500ms"}));
    let mut stream = open(&server, &none, "").await;
    stream.shutdown().await.unwrap();
    assert!(answer(&mut stream).await.contains("\"leases\":[]"));
}

#[tokio::test]
async fn waits_of_who_closes_its_half_end_as_others_do() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = server.lease("k").await;
    let lease = text(&lease["lease"]);
    let mut waiting = open(&server, &get(&format!("{job}?wait=40s")), "").await;
    let mut events = open(&server, &get(&format!("{job}/events?after=2&wait=40s")), "").await;
    let stream = format!("GET {job}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    let mut stream = open(&server, &stream, "").await;
    // A worker that may be gone shows no further life, and need not wait to be told so.
    let mut beat = open(&server, &post(&format!("/leases/{lease}/heartbeat"), &json!({"wait": "40s"})), "").await;
    for half in [&mut waiting, &mut events, &mut stream, &mut beat] {
        half.shutdown().await.unwrap();
    }
    assert!(answer(&mut beat).await.contains("\"cancel_requested\":false"));
    server.post(&format!("/leases/{lease}/complete"), json!(1)).await.is(200);
    assert!(answer(&mut waiting).await.contains("\"state\":\"succeeded\""));
    assert!(answer(&mut events).await.contains("\"type\":\"succeeded\""));
    assert!(answer(&mut stream).await.contains("\"type\":\"succeeded\""));
}

#[tokio::test]
async fn work_that_could_not_be_told_is_given_back() {
    let server = TestServer::new().await;
    // More than fits on the way to somebody who does not read.
    let tags: serde_json::Map<String, Value> = (0..32).map(|n| (format!("{n:0250}"), json!("x".repeat(256)))).collect();
    let job = json!({"kind": "k", "tags": tags});
    server.post("/jobs/batch", json!({"jobs": vec![job; 1_000]})).await.is(202);
    let stream = open(&server, &post("/leases", &json!({"kinds": ["k"], "max": 1_000, "ttl": "24h"})), "").await;
    let running = async |count: u64| server.get("/queues/default").await.json()["running"] == count;
    until("the jobs are leased", SOON, async || running(1_000).await).await;
    // The answer is on its way, and stuck.
    stream.readable().await.unwrap();
    stream.set_zero_linger().unwrap();
    drop(stream);
    until("they are given back", SOON, async || running(0).await).await;
    let lease = server.lease("k").await;
    assert_eq!(lease["attempt"], 2);
    assert_eq!(lease["job"]["failures"], 0);
}
