//! Callers that take what they can get: each is told where the bound is, and others go on.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::server::until;
use super::test_server::{TestServer, path, send, text};

const SOON: Duration = Duration::from_secs(20);

async fn open(server: &TestServer, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer takes nothing from it.
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("no answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn lists_are_read_as_far_as_their_bound() {
    let server = TestServer::new().await;
    let many = |element: Value| vec![element; 1_001];
    for (path, body, pointer) in [
        ("/jobs/batch", json!({"jobs": many(json!({"kind": "k"}))}), "/jobs"),
        ("/leases/heartbeat", json!({"heartbeats": many(json!({"lease": "x"}))}), "/heartbeats"),
        ("/leases", json!({"max": 0, "finish": many(json!({"lease": "x", "release": {}}))}), "/finish"),
        ("/leases", json!({"kinds": many(json!("k"))}), "/kinds"),
        ("/leases", json!({"kinds": ["k"], "queues": many(json!("q"))}), "/queues"),
    ] {
        let refused = server.post(path, body).await;
        assert_eq!(refused.is(422).json()["errors"][0]["pointer"], pointer, "{path}");
    }
    // What comes after the bound is not even looked at.
    let mut endless = format!("{{\"jobs\":[{}", "{\"kind\":\"k\"},".repeat(1_001));
    endless.push_str("no JSON");
    let request = server.ask(Method::POST, "/jobs/batch").header("content-type", "application/json").body(endless);
    assert_eq!(send(request).await.is(422).slug(), "validation");
    let whole = server.post("/jobs/batch", json!({"jobs": vec![json!({"kind": "k"}); 1_000]})).await;
    assert_eq!(whole.is(202).json()["jobs"].as_array().unwrap().len(), 1_000);
}

#[tokio::test]
async fn answers_do_not_grow_with_what_is_wrong() {
    let server = TestServer::new().await;
    let wrong = json!({"kind": "K", "queue": "Q", "priority": 1_000});
    let refused = server.post("/jobs/batch", json!({"jobs": vec![wrong; 1_000]})).await;
    assert_eq!(refused.is(422).json()["errors"].as_array().unwrap().len(), 100);
    let long = "x".repeat(4 << 20);
    for body in [
        json!({"jobs": [{"kind": "k", long.clone(): 1}]}),
        json!({"jobs": [{"kind": "k", "tags": {long.clone(): "x"}}]}),
    ] {
        assert!(server.post("/jobs/batch", body).await.is(422).bytes.len() < 64 << 10);
    }
    server.post("/leases/heartbeat", json!({"heartbeats": [{"lease": long}]})).await.is(422);
    server.get(&format!("/jobs?{}", ["a"; 1_000].join("&"))).await.is(400);
}

#[tokio::test]
async fn a_lost_lease_shows_its_job_while_there_is_room() {
    let server = TestServer::new().await;
    server.job().await;
    let lease = server.lease("k").await;
    let lease = text(&lease["lease"]);
    let fail = json!({"error": {"detail": "x".repeat(60_000)}, "retryable": false});
    server.post(&format!("/leases/{lease}/fail"), fail).await.is(200);
    let beats = server.post("/leases/heartbeat", json!({"heartbeats": vec![json!({"lease": lease}); 1_000]})).await;
    assert!(beats.is(200).bytes.len() < 4 << 20, "{}", beats.bytes.len());
    let beats = beats.json();
    let problem = |n: usize| &beats["heartbeats"][n]["problem"];
    assert!(problem(0)["job"].is_object() && problem(999)["job"].is_null());
    assert_eq!(problem(999)["type"], "/problems/lease-lost");
}

#[tokio::test]
async fn pages_and_leases_end_where_they_are_full() {
    let server = TestServer::new().await;
    let job = json!({"kind": "k", "input": "x".repeat(60_000)});
    server.post("/jobs/batch", json!({"jobs": vec![job; 200]})).await.is(202);
    let (mut leases, mut rides) = (Vec::new(), 0);
    while leases.len() < 200 {
        let answer = server.post("/leases", json!({"kinds": ["k"], "max": 1_000})).await;
        assert!(answer.is(200).bytes.len() < 2 << 20, "{}", answer.bytes.len());
        for leased in answer.json()["leases"].as_array().unwrap() {
            // An input that does not ride along is where its job says.
            match leased["job"]["input"].as_str() {
                Some(input) => rides += usize::from(input.len() == 60_000),
                None => assert_eq!(server.get(text(&leased["job"]["input_href"])).await.is(200).bytes.len(), 60_002),
            }
            leases.push(text(&leased["lease"]).to_owned());
        }
    }
    assert!(leases.len() == 200 && rides > 0 && rides < 200);
    let detail = "x".repeat(60_000);
    let fail = json!({"fail": {"error": {"detail": detail}, "retryable": false}});
    let ends: Vec<Value> = leases.iter().map(|lease| json!({"lease": lease, "fail": fail["fail"]})).collect();
    server.post("/leases", json!({"max": 0, "finish": ends})).await.is(200);
    let (mut seen, mut next) = (0, String::new());
    loop {
        let page = server.get(&format!("/jobs?limit=1000{next}")).await;
        assert!(page.is(200).bytes.len() < 8 << 20, "{}", page.bytes.len());
        let page = page.json();
        seen += page["items"].as_array().unwrap().len();
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, 200, "none is left out");
    let (mut failed, mut after) = (0, "0".to_owned());
    while failed < 200 {
        let page = server.get(&format!("/events?after={after}&state=failed")).await;
        assert!(page.is(200).bytes.len() < 8 << 20, "{}", page.bytes.len());
        let page = page.json();
        failed += page["items"].as_array().unwrap().len();
        after = text(&page["next_after"]).to_owned();
    }
    assert_eq!(failed, 200);
}

#[tokio::test]
async fn bodies_that_stall_leave_room_for_small_ones() {
    let server = TestServer::new().await;
    let mut stalled = Vec::new();
    // Each has taken room for all that it announced: there is none left for more than a little.
    for announced in [33_000_000, 16_000_000, 1_200_000] {
        let head = format!(
            "POST /jobs/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n\r\n"
        );
        stalled.push(open(&server, &[head.as_bytes(), &vec![b' '; announced - 100_000]].concat()).await);
    }
    let batch = || json!({"jobs": [{"kind": "k", "input": "x".repeat(600_000)}]});
    let mut refused = None;
    until("there is no room left", SOON, async || {
        let reply = server.post("/jobs/batch", batch()).await;
        let is_refused = reply.status == 503;
        refused = Some(reply);
        is_refused
    })
    .await;
    let refused = refused.unwrap();
    assert_eq!(refused.slug(), "overloaded");
    assert!(!refused.header("retry-after").is_empty());
    let job = path(&server.submit(json!({"kind": "k", "input": "x".repeat(50_000)})).await);
    server.post(&format!("{job}/cancel"), json!(null)).await.is(200);
    drop(stalled);
    until("there is room again", SOON, async || server.post("/jobs/batch", batch()).await.status == 202).await;
}

#[tokio::test]
async fn the_last_connections_are_for_what_must_go_on() {
    let server = TestServer::with(|options| options.limits.connections = 16).await;
    let job = server.job().await;
    let lease = server.lease("k").await;
    let lease = text(&lease["lease"]);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut held = Vec::new();
    // The one of the server is the twelfth.
    for _ in 0..11 {
        let mut stream = open(&server, get("/livez").as_bytes()).await;
        stream.read_u8().await.unwrap();
        held.push(stream);
    }
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for (request, status) in [
        (get("/livez"), "200"),
        (get(&job), "202"),
        // Nothing is waited for there.
        (get(&format!("{job}?wait=50s")), "202"),
        (get("/jobs"), "503"),
        // Nothing stays there, and an `EventSource` must not see an error.
        (get(&format!("{job}/events")).replace("\r\n\r\n", "\r\nAccept: text/event-stream\r\n\r\n"), "200"),
        (post("/jobs", "{\"kind\":\"k\"}"), "503"),
        (post(&format!("/leases/{lease}/heartbeat"), "{\"wait\":\"50s\"}"), "200"),
        (post(&format!("/leases/{lease}/complete"), "1"), "200"),
    ] {
        let mut stream = open(&server, request.as_bytes()).await;
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(status != "503" || answer.contains("/problems/overloaded"), "{answer}");
    }
    drop(held);
    until("others come in again", SOON, async || server.raw(get("/jobs").as_bytes()).await.starts_with("HTTP/1.1 200"))
        .await;
}

#[tokio::test]
async fn an_append_is_waited_for_while_its_run_goes_on() {
    let server = TestServer::new().await;
    server.job().await;
    let leased = server.lease("k").await;
    let lease = text(&leased["lease"]);
    let head = format!("POST /leases/{lease}/log HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (mut silent, mut begun) =
        (open(&server, head.as_bytes()).await, open(&server, format!("{head}1\r\n.\r\n").as_bytes()).await);
    let log = format!("/jobs/{}/log", text(&leased["job"]["id"]));
    until("the byte is there", SOON, async || server.get(&log).await.text() == ".").await;
    server.post(&format!("/leases/{lease}/release"), json!({"delay": "1h"})).await.is(200);
    for stream in [&mut silent, &mut begun] {
        assert!(answer(stream).await.contains("/problems/lease-lost"));
    }
}

#[tokio::test]
async fn what_a_run_appends_shows_that_it_is_alive() {
    let server = TestServer::new().await;
    server.job().await;
    let ask = json!({"kinds": ["k"], "ttl": "2s"});
    let leased = server.post("/leases", ask).await.is(200).json()["leases"][0].clone();
    let lease = text(&leased["lease"]);
    let (sender, pieces) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let pieces = futures_util::stream::unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
    let append = server.ask(Method::POST, &format!("/leases/{lease}/log")).body(reqwest::Body::wrap_stream(pieces));
    let append = tokio::spawn(send(append));
    let begin = std::time::Instant::now();
    // Twice the lease: without a sign of life it were lost long ago.
    while begin.elapsed() < Duration::from_secs(5) {
        sender.send(Ok(b".".to_vec())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    drop(sender);
    append.await.unwrap().is(200);
    server.post(&format!("/leases/{lease}/complete"), json!(1)).await.is(200);
}

/// What the system holds for connections to and from a port, bytes.
#[cfg(target_os = "linux")]
fn held_by_the_system_now(port: u16) -> usize {
    let all = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let queues = all.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let ends = [words.next()?, words.next()?];
        let is_ours = ends.iter().any(|end| end.ends_with(&format!(":{port:04X}")));
        let (sent, came) = words.nth(1)?.split_once(':')?;
        is_ours.then(|| [sent, came].map(|hex| usize::from_str_radix(hex, 16).unwrap()).iter().sum::<usize>())
    });
    queues.sum()
}

/// The same when nothing moves any more.
#[cfg(target_os = "linux")]
async fn held_by_the_system(port: u16) -> usize {
    let (mut before, mut same) = (0, 0);
    until("nothing moves", SOON, async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = held_by_the_system_now(port);
        same = if now == before && now > 0 { same + 1 } else { 0 };
        before = now;
        same >= 10
    })
    .await;
    before
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_made_as_it_is_taken_and_is_whole_all_the_same() {
    const ERRORS: usize = 40;
    let server = TestServer::new().await;
    let job = server.submit(json!({"kind": "k", "retry": {"max_attempts": 1_000}})).await;
    for n in 0..ERRORS {
        let lease = server.lease("k").await;
        // Six bytes each on the wire.
        let detail = format!("{n} {}", "\u{1}".repeat(20_000));
        let fail = json!({"error": {"detail": detail}, "retry_after": "0s"});
        server.post(&format!("/leases/{}/fail", text(&lease["lease"])), fail).await.is(200);
    }
    let port = server.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let idle = held_by_the_system_now(port);
    let get =
        |path: &str| format!("GET {path}?after=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    let small = tokio::net::TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = small.connect(server.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    stream.write_all(get(&format!("{}/events", path(&job))).as_bytes()).await.unwrap();
    let held = held_by_the_system(port).await - idle;
    assert!(held < 600_000, "{held} bytes of {} were sent to somebody who reads nothing", ERRORS * 120_000);
    // Read at last, and slowly at that: each event is there, once, in order and whole.
    let (mut answer, mut piece) = (Vec::new(), vec![0; 50_000]);
    let is_last =
        |end: &[u8]| String::from_utf8_lossy(end).contains("data: {\"seq\":81,") && end.ends_with(b"\n\n\r\n");
    while !is_last(&answer[answer.len().saturating_sub(150_000)..]) {
        let read = tokio::time::timeout(SOON, stream.read(&mut piece)).await.unwrap().unwrap();
        assert!(read > 0, "it ended early");
        answer.extend_from_slice(&piece[..read]);
    }
    drop(stream);
    let mut body = Vec::new();
    let mut rest = &answer[answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4..];
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    let body = String::from_utf8(body).unwrap();
    let events = body.split("\n\n").filter_map(|frame| frame.split_once("data: ")).map(|(_, data)| data);
    let events: Vec<Value> = events.filter_map(|data| serde_json::from_str(data).ok()).collect();
    let details: Vec<_> = events.iter().filter_map(|event| event["data"]["problem"]["detail"].as_str()).collect();
    assert_eq!(details.len(), ERRORS);
    for (n, detail) in details.iter().enumerate() {
        assert!(detail.starts_with(&format!("{n} \u{1}")) && detail.len() == n.to_string().len() + 20_001, "{n}");
    }
}
