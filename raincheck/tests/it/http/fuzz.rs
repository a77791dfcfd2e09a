//! Bytes on a socket: whatever comes, the server answers in its own words, forgets nobody's job and leaks no connection.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use raincheck_fuzz::proptest::collection::vec;
use raincheck_fuzz::proptest::prelude::*;
use raincheck_fuzz::proptest::sample::select;
use raincheck_fuzz::{bytes, check_some};
use serde_json::{Value, json};

use super::test_server::{TestServer, path, text};
use crate::server::until;

/// Requests tried by a plain `cargo test`: each takes a connection, and some wait for what never comes.
const REQUESTS: u32 = 400;
/// An answer comes within this, or it is waited for by others: a stream, or the rest of a body.
const PAUSE: Duration = Duration::from_millis(40);

/// Connections that our own client may keep, whatever was fuzzed.
const POOLED: u32 = 4;

/// Header lines that change what the rest means, or claim what is not so.
const LINES: &[&str] = &[
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: -1",
    "Content-Length: 99999999999",
    "Content-Length: 5, 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding : chunked",
    "Content-Encoding: gzip",
    "Expect: 100-continue",
    "Host: evil.test",
    "Host:",
    " folded: x",
    "Connection: close",
    "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==",
    "Connection: upgrade\r\nUpgrade: h2c",
    "Upgrade: websocket",
    "Range: bytes=1-",
    "If-None-Match: *",
    "If-Range: x",
    "Prefer: wait=1",
    "Last-Event-ID: 0",
    "Last-Event-ID: \u{7f}",
    "Accept: text/event-stream",
    "Accept: text/html",
    "Accept: image/png",
    "Content-Type: text/plain",
    "Content-Type: é",
    "Idempotency-Key: \"",
    "traceparent: 00-0-0-0",
    "Origin: http://evil.test",
    "Authorization: Bearer x",
    "X: \0",
    "Content-Disposition: attachment; filename*=UTF-8''%ff",
];

const CHUNKED: &[&str] = &[
    "c\r\n{\"kind\":\"k\"}\r\n0\r\n\r\n",
    "6\r\n{\"kind\r\n6;x=\"y\"\r\n\":\"k\"}\r\n0\r\nTrailer: x\r\n\r\n",
    "zz\r\n\r\n",
    "ffffffffffffffff\r\n",
    "-1\r\n\r\n",
    "0\r\n\r\n",
    "1\r\n{\r\n",
    "0c\n{\"kind\":\"k\"}\n0\n\n",
    "c\r\n{\"kind\":\"k\"}XX0\r\n\r\n",
];

/// What an answer begins with: a client of HTTP/1.0 is answered in its version (RFC 9110, section 2.5).
const VERSIONS: [&str; 2] = ["HTTP/1.1 ", "HTTP/1.0 "];

/// A client's WebSocket frames: a text, a ping, a part, one that claims to be long, a close.
const FRAMES: &[u8] = b"\x81\x82\x01\x02\x03\x04ik\x89\x80\x01\x02\x03\x04\x01\x81\x01\x02\x03\x04a\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00\x01\x02\x03\x04\x88\x80\x01\x02\x03\x04";

fn request(method: &str, target: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n{body}")
        .into_bytes()
}

/// A valid request for every route, about these jobs and leases.
fn samples(jobs: &[String], leases: &[String]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for job in jobs {
        for (method, rest) in [
            ("GET", ""),
            ("GET", "?wait=1s&include=input&on_failure=200"),
            ("DELETE", ""),
            ("GET", "/result"),
            ("HEAD", "/result"),
            ("GET", "/stream?offset=1&follow=true"),
            ("GET", "/log?follow=true"),
            ("GET", "/events?after=0&wait=1s"),
            ("POST", "/cancel?force=true"),
            ("POST", "/rerun"),
            ("POST", "/run-now"),
        ] {
            all.push(request(method, &format!("{job}{rest}"), ""));
        }
        all.push(request("PUT", job, r#"{"kind":"k","input":{"a":[1]}}"#));
        let head = format!(
            "GET {job}/events HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: raincheck.v1\r\n\r\n"
        );
        all.push([head.as_bytes(), FRAMES].concat());
    }
    for lease in leases {
        for (rest, body) in [
            ("heartbeat", r#"{"progress":{"percent":42,"data":{}},"ttl":"30s"}"#),
            ("complete", r#"{"done":true}"#),
            ("fail", r#"{"error":{"title":"it broke"},"retryable":true}"#),
            ("release", r#"{"delay":"1s"}"#),
            ("stream?offset=0", "abc"),
            ("log?offset=0", "abc"),
        ] {
            all.push(request("POST", &format!("/leases/{lease}/{rest}"), body));
        }
        all.push(request("GET", &format!("/leases/{lease}/input"), ""));
        let beats = format!(r#"{{"heartbeats":[{{"lease":"{lease}","progress":{{"current":1}}}}]}}"#);
        all.push(request("POST", "/leases/heartbeat", &beats));
        let ends = format!(
            r#"{{"worker":{{"name":"w"}},"kinds":["k"],"max":2,"wait":"1s","finish":[{{"lease":"{lease}","complete":{{"result":1}}}}]}}"#
        );
        all.push(request("POST", "/leases", &ends));
    }
    for target in [
        "/jobs?state=failed&queue=default&kind=k&tag.a=b&limit=10",
        "/jobs?q=x&created_after=2026-01-01T00:00:00Z",
        "/events?after=0&queue=default",
        "/kinds",
        "/kinds/k",
        "/queues",
        "/queues/spare",
        "/workers",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/",
        "/docs",
        "/problems/validation",
        "/assets/job.js",
        "/nothing",
    ] {
        all.push(request("GET", target, ""));
    }
    all.push(request(
        "POST",
        "/jobs",
        r#"{"kind":"k","input":{"a":"é"},"tags":{"a":"b"},"retry":{"max_attempts":2},"delay":"1h"}"#,
    ));
    all.push(request("POST", "/jobs/batch", r#"{"jobs":[{"kind":"k"},{"kind":"l","key":"x"}]}"#));
    all.push(request("POST", "/kinds/k/jobs?label=x&priority=3&tag.a=b&retry.factor=2", "raw bytes"));
    all.push(request("PATCH", "/queues/spare", r#"{"paused":true,"max_queued":0,"concurrency":null}"#));
    for job in jobs {
        all.push(format!("GET {job}?wait=1s HTTP/1.0\r\n\r\n").into_bytes());
    }
    for chunks in CHUNKED {
        let head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        all.push(format!("{head}{chunks}").into_bytes());
    }
    all
}

/// One request changed, one with a line too many, or several in a row, perhaps broken off.
fn requests(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changed = bytes(&samples.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let lines = vec(select(LINES), 1..3).prop_map(|lines| lines.join("\r\n"));
    let lines = prop_oneof![9 => lines, 1 => (1..80_000usize).prop_map(|n| format!("X: {}", "x".repeat(n)))];
    let lied = (select(samples.clone()), lines).prop_map(|(sample, lines)| {
        let at = sample.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
        [&sample[..at], lines.as_bytes(), b"\r\n", &sample[at..]].concat()
    });
    let row = (vec(select(samples), 1..6), 0..400usize, any::<bool>()).prop_map(|(row, off, broken)| {
        let mut row = row.concat();
        row.truncate(row.len() - if broken { off.min(row.len()) } else { 0 });
        row
    });
    prop_oneof![4 => changed, 3 => lied, 2 => row]
}

/// Sends the bytes and then a plain request, as a client that keeps its connection would; answers all that came back.
fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the server takes connections");
    stream.set_read_timeout(Some(PAUSE)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    // A server that has had enough closes; what it said before is read all the same.
    let last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let _ = stream.write_all(bytes).and_then(|()| stream.write_all(last));
    let (mut answer, mut piece) = (Vec::new(), [0; 64 << 10]);
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..length]);
        // Some of what is asked for has no end.
        if answer.len() > 4 << 20 {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

/// Every status is one that a client may be told; nothing is the server's own fault.
fn judge(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    assert!(answer.is_empty() || VERSIONS.iter().any(|version| text.starts_with(version)), "{text}");
    for (place, _) in VERSIONS.iter().flat_map(|version| text.match_indices(version)) {
        let head = &text[place..];
        let status = head.get(9..12).and_then(|digits| digits.parse::<u16>().ok()).unwrap_or(0);
        // Two that the client has to do with.
        let known = [(501, "/problems/not-implemented"), (503, "/problems/queue-full")];
        let is_known = known.iter().any(|(known, slug)| status == *known && head.contains(slug));
        assert!((100..500).contains(&status) || is_known, "{head}");
    }
}

/// What must not change, whatever others send.
async fn snapshots(server: &TestServer, jobs: &[String]) -> Vec<Value> {
    let mut seen = Vec::new();
    for job in jobs {
        let mut shown = server.get(&format!("{job}?include=input&on_failure=200")).await.json();
        // What it waits for, and how long, depends on the others.
        for member in ["waiting_for", "position", "eta_seconds", "waiting_detail"] {
            shown[member] = Value::Null;
        }
        let events = server.get(&format!("{job}/events")).await.json();
        seen.push(json!([shown, events, server.get(&format!("{job}/result")).await.status]));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_requests() {
    let server = TestServer::with(|options| options.limits.wait = 20).await;
    let own = |kind: &str| json!({"kind": kind, "queue": "unrelated", "input": {"n": 1}, "tags": {"a": "b"}});
    let mut kept = vec![path(&server.submit(own("unrelated")).await), path(&server.submit(own("unrelated")).await)];
    server.complete("unrelated", json!({"result": [1, 2.50]})).await;
    server.fail("unrelated").await;
    kept.push(path(&server.submit(own("unrelated")).await));
    let before = snapshots(&server, &kept).await;

    let (mut jobs, mut leases) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        jobs.push(server.job().await);
        leases.push(text(&server.lease("k").await["lease"]).to_owned());
    }
    jobs.push(path(&server.submit(json!({"kind": "k", "delay": "1h"})).await));
    let address = server.url.strip_prefix("http://").unwrap();
    tokio::task::block_in_place(|| {
        check_some(REQUESTS, requests(samples(&jobs, &leases)), |bytes| judge(&exchange(address, &bytes)));
    });

    server.get("/livez").await.is(200);
    assert_eq!(snapshots(&server, &kept).await, before, "somebody else's job changed");
    // Endless answers look now and then whether anybody listens.
    until("nothing is open but what our own client keeps", Duration::from_secs(60), async || {
        let metrics = server.get("/metrics").await.text();
        let figure = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok());
        figure("raincheck_http_connections ").unwrap() <= POOLED && figure("raincheck_http_streams ") == Some(0)
    })
    .await;
    assert_eq!(server.submit(json!({"kind": "after", "queue": "after"})).await["state"], "queued");
}
