//! Shutting down: everything that waits ends, nothing that was accepted is lost.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;

use super::super::server::{Server, until};
use super::test_server::{Reply, TestServer, path, send, text};

#[tokio::test]
async fn everything_that_waits_ends() {
    let mut server = TestServer::new().await;
    let job = server.job().await;
    let mut stream = server
        .ask(Method::GET, &format!("{job}/events"))
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap()
        .bytes_stream();
    stream.next().await.unwrap().unwrap();
    let (mut socket, _) =
        connect_async(format!("{}{job}/events", server.url.replace("http://", "ws://"))).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let waiting = tokio::spawn(send(server.ask(Method::GET, &format!("{job}?wait=50s"))));
    let polling = tokio::spawn(send(server.ask(Method::GET, &format!("{job}/events?after=1&wait=50s"))));
    let leasing = tokio::spawn(send(server.ask(Method::POST, "/leases").json(&json!({"kinds": ["x"], "wait": "50s"}))));
    let log = server.ask(Method::GET, &format!("{job}/log?follow=true")).send().await.unwrap();
    until("the worker waits", Duration::from_secs(5), async || {
        server.get("/workers").await.json()["items"].as_array().unwrap().len() == 1
    })
    .await;
    let started = Instant::now();
    server.shutdown.cancel();
    server.serving.take().unwrap().await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    while stream.next().await.is_some() {}
    waiting.await.unwrap().is(202);
    polling.await.unwrap().is(200);
    let leased = leasing.await.unwrap();
    assert_eq!(leased.is(200).json(), json!({"leases": [], "finished": [], "drain": true}));
    log.bytes().await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        if let tokio_tungstenite::tungstenite::Message::Close(Some(frame)) = message {
            assert_eq!(u16::from(frame.code), 1001);
        }
    }
    assert!(server.ask(Method::GET, "/livez").send().await.is_err(), "the port is closed");
}

#[tokio::test]
async fn while_draining_nothing_is_taken_in() {
    let server = TestServer::new().await;
    let lease = {
        server.job().await;
        server.lease("k").await
    };
    server.engine.drain();
    let refused = server.post("/jobs", json!({"kind": "k"})).await;
    assert_eq!(refused.is(503).slug(), "draining");
    assert!(text(&refused.json()["detail"]).contains("is about to stop"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(send(server.ask(Method::POST, "/kinds/k/jobs").body("x")).await.is(503).slug(), "draining");
    assert_eq!(server.get("/readyz").await.is(503).slug(), "draining");
    server.get("/livez").await.is(200);
    // What runs may still be finished.
    let ends = json!({"kinds": ["k"], "finish": [{"lease": lease["lease"], "complete": {"result": 1}}]});
    let answer = server.post("/leases", ends).await.is(200).json();
    assert_eq!((&answer["finished"][0]["state"], &answer["drain"]), (&json!("succeeded"), &json!(true)));
    let answer = server.post("/leases", json!({"kinds": ["k"], "wait": "30s"})).await.is(200).json();
    assert_eq!(answer, json!({"leases": [], "finished": [], "drain": true}), "at once");
}

/// The body of a request that a server which drains has begun to read; what is sent of it comes after that.
async fn reading(server: &TestServer, target: &str, framing: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut goes_on = [0; 25];
    stream.read_exact(&mut goes_on).await.unwrap();
    assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// The answer, which ends with the connection or with its JSON.
async fn answer_of(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with('}') {
        let mut piece = [0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut piece)).await.expect("no answer");
        match read.unwrap() {
            0 => break,
            read => answer += std::str::from_utf8(&piece[..read]).unwrap(),
        }
    }
    answer
}

#[tokio::test]
async fn what_a_run_writes_while_the_server_drains_is_taken_whole() {
    for (to, begins_first) in [("log", false), ("log", true), ("stream", false), ("stream", true)] {
        let server = TestServer::new().await;
        let job = server.job().await;
        let target = format!("/leases/{}/{to}", text(&server.lease("k").await["lease"]));
        if !begins_first {
            server.engine.drain();
        }
        let mut sized = reading(&server, &target, "Content-Length: 11").await;
        if begins_first {
            server.engine.drain();
        }
        let there = async || server.get(&format!("{job}/{to}")).await.bytes.len();
        sized.write_all(b"hello ").await.unwrap();
        until("the first half is kept", Duration::from_secs(5), async || there().await == 6).await;
        sized.write_all(b"world").await.unwrap();
        let answer = answer_of(sized).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("{\"offset\":11}"), "{to}: {answer}");
        let mut chunked = reading(&server, &format!("{target}?offset=11"), "Transfer-Encoding: chunked").await;
        chunked.write_all(b"5\r\nagain\r\n").await.unwrap();
        until("the first chunk is kept", Duration::from_secs(5), async || there().await == 16).await;
        chunked.write_all(b"1\r\n!\r\n0\r\n\r\n").await.unwrap();
        let answer = answer_of(chunked).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("{\"offset\":17}"), "{to}: {answer}");
        assert_eq!(server.get(&format!("{job}/{to}")).await.is(200).text(), "hello worldagain!");
    }
}

#[tokio::test]
async fn what_a_run_does_not_write_to_its_end_while_the_server_drains_is_refused() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let target = format!("/leases/{}/stream", text(&server.lease("k").await["lease"]));
    server.engine.drain();
    let nothing = reading(&server, &target, "Content-Length: 11").await;
    let mut half = reading(&server, &target, "Transfer-Encoding: chunked").await;
    half.write_all(b"5\r\nhello\r\n").await.unwrap();
    for (stream, detail) in [(nothing, "nothing of the body came"), (half, "up to offset 5: send the rest again")] {
        let answer = answer_of(stream).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("/problems/draining"), "{answer}");
        assert!(answer.contains(detail) && answer.contains("retry-after: "), "{answer}");
    }
    assert_eq!(server.get(&format!("{job}/stream")).await.is(200).text(), "hello");
}

#[tokio::test]
async fn what_does_not_end_by_itself_is_cut_off_in_time() {
    let mut server = TestServer::new().await;
    server.job().await;
    let lease = server.lease("k").await;
    let pieces = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = server.ask(Method::POST, &format!("/leases/{}/complete", text(&lease["lease"])));
    let endless = tokio::spawn(request.body(reqwest::Body::wrap_stream(pieces)).send());
    until("the request is there", Duration::from_secs(5), async || {
        server.get("/metrics").await.text().contains("raincheck_http_connections 2")
    })
    .await;
    let started = Instant::now();
    server.shutdown.cancel();
    server.serving.take().unwrap().await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(endless.await.unwrap().is_err());
}

/// A server in a process of its own that runs a job of kind `k` for a worker elsewhere. Every request comes by a connection of
/// its own, as from many clients.
struct Stopping {
    folder: tempfile::TempDir,
    server: Server,
    http: reqwest::Client,
    job: String,
    lease: String,
}

impl Stopping {
    /// Told to stop, and stopping.
    async fn with_a_run() -> Stopping {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &[]);
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let mut it = Stopping { folder, server, http, job: String::new(), lease: String::new() };
        it.job = path(&it.post("/jobs", json!({"kind": "k"})).await.is(202).json());
        let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "wait": "10s"});
        it.lease = text(&it.post("/leases", ask).await.is(200).json()["leases"][0]["lease"]).to_owned();
        it.server.tell_to_stop();
        until("it drains", Duration::from_secs(5), async || it.get("/readyz").await.status == 503).await;
        it
    }

    async fn get(&self, path: &str) -> Reply {
        send(self.http.get(format!("{}{path}", self.server.url))).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        send(self.http.post(format!("{}{path}", self.server.url)).json(&body)).await
    }

    async fn of_run(&self, verb: &str, body: Value) -> Reply {
        self.post(&format!("/leases/{}/{verb}", self.lease), body).await
    }
}

#[tokio::test]
async fn a_server_that_stops_is_reached_until_the_runs_of_its_workers_are_over() {
    let mut it = Stopping::with_a_run().await;
    let started = Instant::now();
    assert_eq!(it.get("/readyz").await.slug(), "draining");
    it.get("/livez").await.is(200);
    let refused = it.post("/jobs", json!({"kind": "k"})).await;
    assert_eq!((refused.is(503).slug().as_str(), refused.header("connection")), ("draining", "close"));
    let leased = it.post("/leases", json!({"kinds": ["k"], "wait": "30s"})).await;
    assert_eq!(leased.is(200).json(), json!({"leases": [], "finished": [], "drain": true}));
    assert_eq!(leased.header("connection"), "close");
    it.of_run("heartbeat", json!({"progress": {"percent": 50}})).await.is(200);
    it.of_run("log", json!("going on")).await.is(200);
    assert_eq!(it.get(&it.job).await.is(202).json()["progress"]["percent"], 50);
    // It may wait, but holds nothing up.
    let beat = it.of_run("heartbeat", json!({"wait": "30s"}));
    tokio::time::timeout(Duration::from_secs(5), beat).await.expect("not for so long").is(200);
    assert_eq!(it.of_run("complete", json!("done")).await.is(200).json()["state"], "succeeded");
    assert_eq!(it.server.ended(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(8), "nothing is waited for: {:?}", started.elapsed());
    it.server = Server::start(it.folder.path(), &[]);
    assert_eq!(it.get(&it.job).await.is(200).json()["result"]["value"], "done");
    assert_eq!(it.get(&format!("{}/log", it.job)).await.is(200).text(), "\"going on\"");
}

#[tokio::test]
async fn a_run_that_is_handed_over_holds_up_no_stop() {
    let mut it = Stopping::with_a_run().await;
    let started = Instant::now();
    it.of_run("heartbeat", json!({"ttl": "50m"})).await.is(200);
    assert_eq!(it.server.ended(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    it.server = Server::start(it.folder.path(), &[]);
    assert_eq!(it.of_run("complete", json!(1)).await.is(200).json()["state"], "succeeded");
}

#[tokio::test]
async fn a_run_that_goes_on_is_left_to_the_next_server_which_knows_its_worker() {
    let mut it = Stopping::with_a_run().await;
    let signaled_at = Instant::now();
    assert_eq!(it.server.ended(), Some(0));
    assert!(signaled_at.elapsed() < Duration::from_secs(10), "{:?}", signaled_at.elapsed());
    it.server = Server::start(it.folder.path(), &[]);
    assert_eq!(it.get("/workers").await.json()["items"], json!([]));
    it.of_run("heartbeat", json!({})).await.is(200);
    let workers = it.get("/workers").await.json();
    let worker = &workers["items"][0];
    assert_eq!((&worker["name"], &worker["running"], &worker["serving"]), (&json!("w"), &json!(1), &json!(false)));
    assert_eq!(it.of_run("complete", json!(1)).await.is(200).json()["state"], "succeeded");
    assert_eq!(it.get("/workers").await.json()["items"][0]["running"], 0);
}

#[tokio::test]
async fn a_second_signal_waits_for_no_run() {
    let mut it = Stopping::with_a_run().await;
    let signaled_at = Instant::now();
    it.server.tell_to_stop();
    assert_eq!(it.server.ended(), Some(130));
    assert!(signaled_at.elapsed() < Duration::from_secs(5), "{:?}", signaled_at.elapsed());
}
