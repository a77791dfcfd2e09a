//! Bad input: a clear problem, nothing made, never 5xx.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_server::{TestServer, send};

#[tokio::test]
async fn broken_bodies() {
    let server = TestServer::new().await;
    let deep = format!("{{\"kind\":\"k\",\"input\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_unknown = format!("{{\"nope\":{}", "[".repeat(500_000));
    let cases: Vec<(&[u8], u16, &str)> = vec![
        (b"", 400, "invalid-request"),
        (b"{", 400, "invalid-request"),
        (b"{\"kind\":\"k\"} {}", 400, "invalid-request"),
        (b"{'kind':'k'}", 400, "invalid-request"),
        (b"{\"kind\":\"k\",}", 400, "invalid-request"),
        (b"{\"kind\":\"k\",\"kind\":\"k\"}", 400, "invalid-request"),
        (b"{\"kind\":\"k\",\"tags\":{\"a\":\"1\",\"a\":\"2\"}}", 400, "invalid-request"),
        (b"{\"kind\":\"k\xff\"}", 400, "invalid-request"),
        (b"{\"kind\":\"k\",\"input\":\"\xff\"}", 400, "invalid-request"),
        (b"{\"kind\":\"k\",\"input\":{\"a\":}}", 400, "invalid-request"),
        (deep.as_bytes(), 400, "invalid-request"),
        (deep_unknown.as_bytes(), 422, "validation"),
        (b"[]", 422, "validation"),
        (b"[\"k\"]", 422, "validation"),
        (b"null", 422, "validation"),
        (b"\"k\"", 422, "validation"),
        (b"{}", 422, "validation"),
        (b"{\"kind\":null}", 422, "validation"),
        (b"{\"kind\":\"k!\"}", 422, "validation"),
        (b"{\"kind\":\"\"}", 422, "validation"),
        (b"{\"kind\":\"a\\u0000\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"queue\":\"a/b\"}", 422, "validation"),
        (b"{\"kind\":\".\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"queue\":\"..\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"prioritty\":1}", 422, "validation"),
        (b"{\"kind\":\"k\",\"priority\":101}", 422, "validation"),
        (b"{\"kind\":\"k\",\"priority\":1.5}", 422, "validation"),
        (b"{\"kind\":\"k\",\"label\":\"a\\u0000b\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"tags\":{\"\":\"x\"}}", 422, "validation"),
        (b"{\"kind\":\"k\",\"tags\":{\"a\":1}}", 422, "validation"),
        (b"{\"kind\":\"k\",\"tags\":[]}", 422, "validation"),
        (b"{\"kind\":\"k\",\"method\":\"PUT\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"max_age\":\"1m\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"delay\":\"-1s\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"delay\":-1}", 422, "validation"),
        (b"{\"kind\":\"k\",\"delay\":\"P1e9Y\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"delay\":\"1s\",\"run_at\":\"2099-01-01T00:00:00Z\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"run_at\":\"tomorrow\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"run_at\":\"9999-12-31T23:59:59Z\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"run_at\":\"2027-01-31T08:00:00+25:00\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"start_by\":\"9999-12-31T23:59:59Z\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"start_by\":\"20270131T080000Z\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"timeout\":0}", 422, "validation"),
        (b"{\"kind\":\"k\",\"retry\":{\"max_attempts\":0}}", 422, "validation"),
        (b"{\"kind\":\"k\",\"retry\":{\"factor\":0.5}}", 422, "validation"),
        (b"{\"kind\":\"k\",\"retry\":[1]}", 422, "validation"),
        (b"{\"kind\":\"k\",\"retry\":{\"factor\":1e400}}", 400, "invalid-request"),
        (b"{\"kind\":\"k\",\"on_lost\":\"maybe\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"max_losses\":1001}", 422, "validation"),
        (b"{\"kind\":\"k\",\"max_losses\":-1}", 422, "validation"),
        (b"{\"kind\":\"k\",\"webhook\":\"http://x\"}", 422, "validation"),
        (b"{\"kind\":\"k\",\"after\":[]}", 422, "validation"),
        (b"{\"kind\":\"k\",\"key\":\"\"}", 400, "invalid-idempotency-key"),
    ];
    for (body, status, slug) in cases {
        let request = server.ask(Method::POST, "/jobs").header("content-type", "application/json").body(body.to_vec());
        let reply = send(request).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!((reply.status, reply.slug().as_str()), (status, slug), "{shown}: {}", reply.text());
        if slug == "validation" && body.starts_with(b"{") && body.len() < 200 {
            assert!(reply.json()["errors"][0]["pointer"].as_str().unwrap().starts_with('/'), "{}", reply.text());
        }
    }
    let many: serde_json::Map<String, serde_json::Value> = (0..33).map(|n| (n.to_string(), json!("x"))).collect();
    server.post("/jobs", json!({"kind": "k", "tags": many})).await.is(422);
    server.post("/jobs", json!({"kind": "k", "label": "x".repeat(257)})).await.is(422);
    server.post("/jobs", json!({"kind": "k", "key": "x".repeat(256)})).await.is(400);
    let both = server.post("/jobs", json!({"kind": "k!", "queue": "q!", "priority": 999})).await;
    assert_eq!(both.is(422).json()["errors"].as_array().unwrap().len(), 3, "all that is wrong is said at once");
    assert_eq!(server.get("/jobs").await.json()["items"], json!([]), "a refused submit made a job");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words_of_the_contract() {
    let server = TestServer::new().await;
    for (body, says) in [
        (json!({"kind": "k", "max_losses": -1}), "a whole number within bounds, not negative; this is `-1`"),
        (json!({"kind": "k", "priority": 1.5}), "a whole number within bounds; this is `1.5`"),
        (json!({"kind": 7}), "must be a text; this is `7`"),
        (json!({"kind": "k", "tags": []}), "this is a list"),
    ] {
        let refused = server.post("/jobs", body).await.is(422).json()["errors"][0]["detail"].to_string();
        assert!(refused.contains(says), "{refused}");
        assert!(!refused.contains("expected") && !refused.contains("u32"), "{refused}");
    }
    for (parameter, says) in [
        ("retention=5s", "retention.succeeded"),
        ("tags=a", "tag.NAME=VALUE"),
        ("retry=3", "retry.max_attempts"),
        ("max_attempts=3", "write retry.max_attempts"),
    ] {
        let refused = send(server.ask(Method::POST, &format!("/kinds/k/jobs?{parameter}")).body("x")).await;
        let says_so = refused.is(400).json()["detail"].to_string();
        assert!(says_so.contains("is not a parameter of this request: write") && says_so.contains(says), "{says_so}");
    }
    for method in [Method::GET, Method::PUT] {
        let request = server.ask(method, "/jobs/order-17").json(&json!({"kind": "k"}));
        let unknown = send(request).await;
        assert_eq!(unknown.is(404).json()["detail"], "this is no id of a job: it must be a UUID");
    }
}

#[tokio::test]
async fn a_body_that_may_be_left_out_may_be_null() {
    let server = TestServer::new().await;
    let job = server.job().await;
    for body in ["", "null", " null\n"] {
        let lease = server.lease("k").await;
        let lease = lease["lease"].as_str().unwrap();
        for action in ["heartbeat", "release"] {
            let request = server.ask(Method::POST, &format!("/leases/{lease}/{action}")).body(body);
            send(request.header("content-type", "application/json")).await.is(200);
        }
    }
    server.complete("k", json!(1)).await;
    let rerun = server.ask(Method::POST, &format!("{job}/rerun?force=true")).header("content-type", "application/json");
    send(rerun.body("null")).await.is(202);
    server.post("/jobs", json!(null)).await.is(422);
}

#[tokio::test]
async fn media_types_and_encodings() {
    let server = TestServer::new().await;
    let body = r#"{"kind":"k"}"#;
    for (media, status) in [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("Application/JSON;charset=\"UTF-8\"", 202),
        ("application/vnd.x+json", 202),
        ("application/json; charset=latin1", 202),
        ("application/json; profile=\"https://example.com/p\"; v=1", 202),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("nonsense", 415),
        ("/", 415),
    ] {
        let reply = send(server.ask(Method::POST, "/jobs").header("content-type", media).body(body)).await;
        reply.is(status);
        if status == 415 {
            assert_eq!(reply.slug(), "unsupported-media-type", "{media}");
            assert_eq!(reply.header("accept"), "application/json");
        }
    }
    for none in ["nonsense", "/", "text/", "/plain", "text/ plain", "a b/c", "text/plain/x", "te(xt/plain", ";a/b", ""]
    {
        let reply = send(server.ask(Method::POST, "/kinds/k/jobs").header("content-type", none).body("x")).await;
        assert_eq!(reply.is(415).slug(), "unsupported-media-type", "{none:?}");
    }
    let typed = server.ask(Method::POST, "/kinds/p/jobs").header("content-type", "application/json; profile=\"p\"");
    send(typed.body("{\"a\": 1}")).await.is(202);
    assert_eq!(server.lease("p").await["job"]["input"], json!({"a": 1}));
    for (coding, status) in [
        ("chunked", 202),
        ("Chunked", 202),
        ("gzip, chunked", 501),
        ("chunked, chunked", 501),
        ("gzip\r\nTransfer-Encoding: chunked", 501),
    ] {
        for path in ["/jobs", "/kinds/k/jobs"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close");
            let more = format!("Content-Type: application/json\r\nTransfer-Encoding: {coding}");
            let answer = server.raw(format!("{head}\r\n{more}\r\n\r\nc\r\n{body}\r\n0\r\n\r\n").as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {coding}: {answer}");
        }
    }
}

#[tokio::test]
async fn too_much() {
    let server = TestServer::with(|options| options.limits.file = 200_000).await;
    let large = json!({"kind": "k", "input": "x".repeat(1 << 20)});
    let refused = server.post("/jobs", large.clone()).await;
    assert_eq!(refused.is(413).slug(), "too-large");
    let says = refused.json()["detail"].to_string();
    assert!(says.contains("1048576 bytes") && says.contains("`json_body` in [limits]"), "{says}");
    // Without a length, too.
    let pieces = futures_util::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 50_000])));
    let chunked = server
        .ask(Method::POST, "/jobs")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(pieces));
    assert_eq!(send(chunked).await.is(413).slug(), "too-large");
    let pieces = futures_util::stream::iter((0..8).map(|_| Ok::<_, std::io::Error>(vec![b' '; 50_000])));
    let raw = server.ask(Method::POST, "/kinds/k/jobs").body(reqwest::Body::wrap_stream(pieces));
    assert_eq!(send(raw).await.is(413).slug(), "too-large");
    let refused = send(server.ask(Method::POST, "/kinds/k/jobs").body(vec![0; 200_001])).await;
    let says = refused.is(413).json()["detail"].to_string();
    assert!(says.contains("200000 bytes") && says.contains("`file` in [limits]"), "{says}");
    send(server.ask(Method::POST, "/kinds/k/jobs").body(vec![0; 200_000])).await.is(202);
    let head = send(server.ask(Method::GET, "/jobs").header("x-large", "x".repeat(33 << 10))).await;
    assert_eq!(head.is(431).slug(), "headers-too-large");
    // A head that is far too large is cut off in the middle, so that not even the answer may get through.
    let huge = format!("GET /jobs HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(10 << 20));
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let mut answer = Vec::new();
    if stream.write_all(huge.as_bytes()).await.is_ok() && stream.read_to_end(&mut answer).await.is_ok() {
        assert!(answer.starts_with(b"HTTP/1.1 431"));
    }
    server.get("/livez").await.is(200);
}

#[tokio::test]
async fn lying_lengths_and_broken_heads() {
    let server = TestServer::new().await;
    let post = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for (request, expected) in [
        (format!("{post}Content-Length: 12\r\nContent-Length: 13\r\n\r\n{{\"kind\":\"k\"}}"), "HTTP/1.1 400"),
        (format!("{post}Content-Length: -1\r\n\r\n"), "HTTP/1.1 400"),
        (format!("{post}Content-Length: 99999999999999999999\r\n\r\n"), "HTTP/1.1 400"),
        (format!("{post}Content-Length: 99999999999\r\n\r\n"), "HTTP/1.1 413"),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "HTTP/1.1 400"),
        ("GET /jobs HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /jobs HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /jobs HTTP/1.1\r\nHost: evil.test\r\n\r\n".to_owned(), "HTTP/1.1 421"),
        ("\0\0\0\0\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /jobs/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "HTTP/1.1 404"),
        ("GET /problems/../jobs HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "HTTP/1.1 404"),
    ] {
        let answer = server.raw(request.as_bytes()).await;
        assert!(answer.starts_with(expected), "{request:?}: {answer}");
    }
    // A body that breaks off made nothing.
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(format!("{post}Content-Length: 100\r\n\r\n{{\"kind\":\"k\"}}").as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(server.get("/jobs").await.json()["items"], json!([]));
}

#[tokio::test]
async fn half_a_head_is_not_held_for_ever() {
    let server = TestServer::new().await;
    let address = server.url.strip_prefix("http://").unwrap();
    let started = Instant::now();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /jobs HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut rest = Vec::new();
    for stream in [&mut silent, &mut half] {
        // Closed, one way or another.
        let _ = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut rest)).await.expect("still open");
    }
    assert!((9..14).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn pages_of_others_do_nothing_here() {
    let server = TestServer::new().await;
    for (name, value) in [("origin", "http://evil.test"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        for (method, path) in [
            (Method::POST, "/jobs"),
            (Method::DELETE, "/jobs/0193a7a0-0000-7000-8000-000000000000"),
            (Method::POST, "/kinds/k/jobs"),
            (Method::POST, "/leases"),
            (Method::PATCH, "/queues/default"),
        ] {
            let request = server
                .ask(method, path)
                .header(name, value)
                .header("content-type", "text/plain")
                .body("{\"kind\":\"k\"}");
            assert_eq!(send(request).await.is(403).slug(), "forbidden", "{name}: {value}");
        }
    }
    let own = server.ask(Method::POST, "/jobs").header("origin", &server.url).header("sec-fetch-site", "same-origin");
    send(own.json(&json!({"kind": "k"}))).await.is(202);
    let cors = TestServer::with(|options| {
        options.cors_origins = vec!["https://app.example.com".to_owned()];
        options.admin_token = Some("t".to_owned());
    })
    .await;
    let page = cors.ask(Method::POST, "/jobs").header("origin", "https://app.example.com").bearer_auth("t");
    let reply = send(page.json(&json!({"kind": "k"}))).await;
    assert_eq!(reply.is(202).header("access-control-allow-origin"), "https://app.example.com");
    assert!(reply.header("access-control-expose-headers").contains("Retry-After"));
    // A cache must not answer that page with what another asker got.
    let other = send(cors.ask(Method::GET, "/openapi.json").bearer_auth("t")).await;
    assert_eq!((other.is(200).header("vary"), other.header("access-control-allow-origin")), ("Origin", ""));
    let preflight = cors
        .ask(Method::OPTIONS, "/jobs")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST");
    let preflight = send(preflight).await;
    assert_eq!(preflight.is(204).header("access-control-allow-origin"), "https://app.example.com");
}
