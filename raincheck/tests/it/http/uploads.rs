//! Large bodies on their way in and out: who is slow, who goes away, who is refused, and what is left of it.

use std::time::Duration;

use raincheck_http::Options;
use raincheck_store::Found;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_server::{Reply, TestServer, path, send, text};
use crate::server::until;

/// More than stands in the database.
const LARGE: usize = 200_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// Files of payloads, and those that are not finished.
fn files(server: &TestServer) -> (usize, usize) {
    let count = |folder: std::path::PathBuf| std::fs::read_dir(folder).unwrap().count();
    let blobs = server.folder.path().join("blobs");
    let shards = std::fs::read_dir(&blobs).unwrap().map(|shard| shard.unwrap().path());
    let shards = shards.filter(|shard| shard.file_name().unwrap().len() == 2);
    (shards.map(count).sum(), count(blobs.join("tmp")))
}

async fn until_files(server: &TestServer, finished: usize, why: &str) {
    until(&format!("{finished} files: {why}"), PATIENCE, async || files(server) == (finished, 0)).await;
}

/// A connection that has sent this.
async fn sent(server: &TestServer, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// The head of a raw submit, or of another request with a body of this length.
fn head(target: &str, length: usize) -> Vec<u8> {
    let more = "Host: localhost\r\nContent-Type: text/plain\r\nConnection: close";
    format!("POST {target} HTTP/1.1\r\n{more}\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

/// What the server answers until it closes.
async fn answer_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn put_large(server: &TestServer, target: &str, byte: u8) -> Reply {
    send(server.ask(Method::POST, target).header("content-type", "text/plain").body(vec![byte; LARGE])).await
}

/// A server whose open connections can be counted: those of the test are closed after each request.
async fn one_by_one(change: impl FnOnce(&mut Options)) -> TestServer {
    let mut server = TestServer::with(change).await;
    server.http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    server
}

#[tokio::test]
async fn what_is_refused_or_there_already_leaves_no_file() {
    let server = TestServer::new().await;
    let large = "x".repeat(LARGE);
    put_large(&server, "/kinds/a/jobs?key=x", 1).await.is(202);
    until_files(&server, 1, "a job has one").await;
    put_large(&server, "/kinds/a/jobs?key=x", 1).await.is(202);
    until_files(&server, 1, "replayed").await;
    put_large(&server, "/kinds/a/jobs?key=x", 2).await.is(422);
    until_files(&server, 1, "another content under the key").await;
    put_large(&server, "/kinds/a/jobs?method=GET", 3).await.is(202);
    put_large(&server, "/kinds/a/jobs?method=GET", 3).await.is(202);
    until_files(&server, 2, "joined").await;
    let refused = server.ask(Method::POST, "/kinds/a/jobs").header("content-type", "nonsense").body(large.clone());
    send(refused).await.is(415);
    put_large(&server, "/kinds/a/jobs?priority=1000", 1).await.is(422);
    until_files(&server, 2, "refused by its head").await;

    let put = |n: u8| {
        send(
            server
                .ask(Method::PUT, &format!("/jobs/{}", uuid::Uuid::nil()))
                .json(&json!({"kind": "b", "input": large, "priority": n})),
        )
    };
    put(1).await.is(201);
    put(1).await.is(200);
    put(2).await.is(409);
    until_files(&server, 3, "put again, and in conflict").await;
    let id = uuid::Uuid::nil();
    server.post(&format!("/jobs/{id}/rerun"), json!({"input": large})).await.is(409);
    until_files(&server, 3, "a rerun of what is not finished").await;
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let batch =
        format!("{{\"jobs\": [{{\"kind\": \"b\", \"input\": {large:?}}}, {{\"kind\": \"b\", \"input\": {deep}}}]}}");
    send(server.ask(Method::POST, "/jobs/batch").header("content-type", "application/json").body(batch)).await.is(400);
    until_files(&server, 3, "a batch of which one is refused").await;

    server.job().await;
    let lease = server.lease("k").await;
    let complete = format!("/leases/{}/complete", text(&lease["lease"]));
    put_large(&server, &complete, 4).await.is(200);
    put_large(&server, &complete, 4).await.is(200);
    until_files(&server, 4, "a completion, repeated").await;
    put_large(&server, &complete, 5).await.is(409);
    server.post(&complete, json!(large)).await.is(409);
    let end = json!([{"lease": lease["lease"], "complete": {"result": large}}]);
    let ends = server.post("/leases", json!({"worker": {"name": "w"}, "kinds": [], "max": 0, "finish": end})).await;
    assert_eq!(ends.is(200).json()["finished"][0]["problem"]["type"], "/problems/lease-lost");
    until_files(&server, 4, "ends of a run that is over").await;
    server.engine.drain();
    put_large(&server, "/kinds/a/jobs", 1).await.is(503);
    until_files(&server, 4, "draining").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_leaves_no_file_that_is_nobodys() {
    let server = one_by_one(|_| ()).await;
    let whole = [head("/kinds/a/jobs", LARGE), vec![7; LARGE]].concat();
    let begin = whole.len() - LARGE;
    for point in [begin, begin + 1, begin + LARGE / 2, begin + 150_000, whole.len() - 1] {
        drop(sent(&server, &whole[..point]).await);
    }
    for _ in 0..100 {
        drop(sent(&server, &whole).await);
    }
    // Whatever became of each: what is there is a job's.
    until("files are those of jobs", PATIENCE, async || {
        let jobs = server.get("/jobs?kind=a&limit=1000").await.is(200).json()["items"].as_array().unwrap().len();
        let open = server.get("/metrics").await.text();
        files(&server) == (jobs, 0) && open.contains("http_connections 1\n") && open.contains("http_uploads 0\n")
    })
    .await;
    let jobs = server.get("/jobs?kind=a&limit=1000").await.json();
    for job in jobs["items"].as_array().unwrap() {
        let Found::Here(record) = server.engine.job(text(&job["id"]).parse().unwrap()).await.unwrap() else {
            panic!("gone")
        };
        let input = server.engine.input(record.job.no).await.unwrap().unwrap();
        let raincheck_core::Payload::Blob { name, size } = &input.payload else { panic!("not a file") };
        assert_eq!(server.engine.store().blobs().size(name).await.unwrap(), *size);
    }
}

#[test]
fn slow_uploads_and_downloads_hold_no_thread() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).max_blocking_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = TestServer::new().await;
        let result = noted_result(&server, 24 << 20).await;
        let mut slow = Vec::new();
        for _ in 0..8 {
            slow.push(sent(&server, &[head("/kinds/a/jobs", 10 * LARGE), vec![7; LARGE]].concat()).await);
            let ask = format!("GET {result} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            slow.push(sent(&server, ask.as_bytes()).await);
        }
        until("they are on their way", PATIENCE, async || server.engine_uploads().await == 8).await;
        let others = async {
            put_large(&server, "/kinds/a/jobs", 1).await.is(202);
            server.get(&result).await.is(200);
        };
        tokio::time::timeout(PATIENCE, others).await.expect("others are served");
    });
}

/// The path of a result of so many bytes.
async fn noted_result(server: &TestServer, size: usize) -> String {
    let job = server.job().await;
    let lease = server.lease("k").await;
    let complete = server.ask(Method::POST, &format!("/leases/{}/complete", text(&lease["lease"])));
    send(complete.header("content-type", "text/plain").body(vec![b'r'; size])).await.is(200);
    format!("{job}/result")
}

impl TestServer {
    async fn engine_uploads(&self) -> usize {
        let stats = self.get("/metrics").await.text();
        let line = stats.lines().find(|line| line.starts_with("raincheck_http_uploads ")).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn uploads_have_places_and_ends_of_runs_have_their_own() {
    let server = TestServer::with(|options| options.limits.uploads = 2).await;
    server.job().await;
    let lease = server.lease("k").await;
    let half = [head("/kinds/a/jobs", LARGE), vec![7; LARGE / 2]].concat();
    let mut slow = vec![sent(&server, &half).await, sent(&server, &half).await];
    until("they are on their way", PATIENCE, async || server.engine_uploads().await == 2).await;
    let refused = put_large(&server, "/kinds/a/jobs", 1).await;
    assert_eq!(refused.is(503).slug(), "queue-full");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    let says = refused.json()["detail"].to_string();
    assert!(says.starts_with("\"2 large bodies") && says.contains("`uploads` in [limits]"), "{says}");
    server.get("/jobs").await.is(200);
    send(server.ask(Method::POST, "/kinds/a/jobs").header("content-type", "text/plain").body("small")).await.is(202);
    put_large(&server, &format!("/leases/{}/complete", text(&lease["lease"])), 1).await.is(200);
    for mut one in slow.drain(..) {
        one.write_all(&vec![7; LARGE / 2]).await.unwrap();
        assert!(answer_of(one).await.starts_with("HTTP/1.1 202 "));
    }
    put_large(&server, "/kinds/a/jobs", 1).await.is(202);
}

#[tokio::test]
async fn who_sends_too_slowly_is_told_and_leaves_nothing() {
    let server = TestServer::with(|options| options.limits.slow = 300).await;
    let slow = sent(&server, &[head("/kinds/a/jobs", LARGE), vec![7; LARGE / 2]].concat()).await;
    let small = sent(&server, &[head("/kinds/a/jobs", 100), vec![7; 50]].concat()).await;
    for slow in [slow, small] {
        let answer = answer_of(slow).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("/problems/request-timeout"), "{answer}");
        assert!(answer.contains("1024 bytes a second for 300ms (`slow` in [limits])"), "{answer}");
    }
    until_files(&server, 0, "shown out").await;
    assert_eq!(server.engine_uploads().await, 0);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_cut() {
    let server = one_by_one(|options| options.limits.stalled = 300).await;
    // More than lies on the way, whatever the system's buffers.
    let result = noted_result(&server, 48 << 20).await;
    let ask = format!("GET {result} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut idle = sent(&server, ask.as_bytes()).await;
    until("it is cut", PATIENCE, async || server.get("/metrics").await.text().contains("http_connections 1\n")).await;
    let mut came = Vec::new();
    // A reset says the same as an end.
    let _ = idle.read_to_end(&mut came).await;
    assert!(came.starts_with(b"HTTP/1.1 200 ") && came.len() < 48 << 20, "{} bytes", came.len());
    assert_eq!(server.get(&result).await.is(200).bytes.len(), 48 << 20);
}

/// A lease of two seconds.
async fn short_lease(server: &TestServer) -> String {
    server.job().await;
    let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 1, "ttl": "2s", "wait": "10s"});
    let leased: Value = server.post("/leases", ask).await.is(200).json();
    text(&leased["leases"][0]["lease"]).to_owned()
}

#[tokio::test]
async fn a_result_on_its_way_keeps_its_lease() {
    let server = TestServer::new().await;
    for length in [LARGE, 1_000] {
        let lease = short_lease(&server).await;
        let mut slow = sent(&server, &head(&format!("/leases/{lease}/complete"), length)).await;
        for _ in 0..10 {
            slow.write_all(&vec![7; length / 10]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let answer = answer_of(slow).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let lost = server.engine.counters().lost.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(lost, 0, "a run was lost meanwhile");
}

#[tokio::test]
async fn that_a_lease_is_over_is_told_before_the_result_is_sent() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "retry": {"max_attempts": 1}})).await);
    let lease = server.lease("k").await;
    server.post(&format!("/leases/{}/fail", text(&lease["lease"])), json!({"error": {"title": "no"}})).await.is(200);
    let target = format!("/leases/{}/complete", text(&lease["lease"]));
    let more = "Host: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000000000\r\nExpect: 100-continue";
    let waits =
        sent(&server, format!("POST {target} HTTP/1.1\r\n{more}\r\nConnection: close\r\n\r\n").as_bytes()).await;
    let answer = answer_of(waits).await;
    assert!(answer.starts_with("HTTP/1.1 409 ") && answer.contains("/problems/lease-lost"), "{answer}");
    let state = server.get(&format!("{job}?on_failure=200")).await.json()["state"].clone();
    assert_eq!(state, "failed");
}

#[tokio::test]
async fn what_does_not_fit_beside_the_reserve_is_refused_before_it_comes() {
    let free = {
        let stat = rustix::fs::statvfs(std::env::temp_dir()).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    let server = TestServer::on(|options| options.limits.file = u64::MAX, |store| store.reserve_bytes = free / 2).await;
    let length = usize::try_from(free).unwrap();
    let answer = answer_of(sent(&server, &head("/kinds/a/jobs", length)).await).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("/problems/queue-full"), "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
    until_files(&server, 0, "refused for lack of space").await;
    put_large(&server, "/kinds/a/jobs", 1).await.is(202);
}

/// Many clients send all of a body before they look for an answer.
#[tokio::test]
async fn who_sends_a_large_body_to_its_end_reads_why_it_was_refused() {
    const MUCH: usize = 20 << 20;
    let server = TestServer::new().await;
    server.job().await;
    let complete = format!("/leases/{}/complete", text(&server.lease("k").await["lease"]));
    server.post(&complete, json!(1)).await.is(200);
    let evil = String::from_utf8(head("/kinds/k/jobs", MUCH)).unwrap().replace("localhost", "elsewhere.example");
    for (head, status) in [(head(&complete, MUCH), 409), (evil.into_bytes(), 421)] {
        let mut stream = sent(&server, &head).await;
        for _ in 0..20 {
            stream.write_all(&[b'x'; 1 << 20]).await.expect("it is taken to its end");
        }
        let answer = answer_of(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}
