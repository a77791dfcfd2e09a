//! What runs stream and log.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::{Body, Method};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_server::{TestServer, send, text};
use crate::server::until;

#[tokio::test]
async fn bytes_as_they_come_while_running_and_after() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let stream = format!("{job}/stream");
    server.get(&stream).await.is(202);
    let lease = server.lease("k").await;
    let append = format!("/leases/{}/stream", text(&lease["lease"]));
    server.get(&stream).await.is(202);
    let post = |offset: u64, body: &'static str| {
        send(
            server
                .ask(Method::POST, &format!("{append}?offset={offset}"))
                .header("content-type", "text/plain")
                .body(body),
        )
    };
    assert_eq!(post(0, "hello ").await.is(200).json(), json!({"offset": 6}));
    assert_eq!(post(0, "hello ").await.is(200).json(), json!({"offset": 6}), "a repeated offset is not doubled");
    assert_eq!(post(4, "o world").await.is(200).json(), json!({"offset": 11}));
    let gap = post(12, "!").await;
    assert_eq!(gap.is(416).slug(), "range-not-satisfiable", "bytes are missing before it");
    assert!(text(&gap.json()["detail"]).contains("offset 11"), "{}", gap.text());
    let now = server.get(&stream).await;
    assert_eq!(
        (now.is(200).text().as_str(), now.header("content-type"), now.header("raincheck-attempt")),
        ("hello world", "text/plain", "1")
    );
    assert_eq!(now.header("x-content-type-options"), "nosniff");
    assert_eq!(server.get(&format!("{stream}?offset=6")).await.is(200).text(), "world");
    assert_eq!(server.get(&format!("{stream}?offset=11")).await.is(200).text(), "");
    assert_eq!(server.get(&format!("{stream}?offset=12")).await.is(416).slug(), "range-not-satisfiable");

    // A follower gets each piece as it comes, and the end when the run ends.
    let follower = server.ask(Method::GET, &format!("{stream}?follow=true&offset=6")).send().await.unwrap();
    let mut pieces = follower.bytes_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "world");
    let (sender, body) = chunked();
    let sending =
        tokio::spawn(server.ask(Method::POST, &append).header("content-type", "text/plain").body(body).send());
    sender.send("one").await.unwrap();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "one");
    sender.send("two").await.unwrap();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "two");
    drop(sender);
    assert_eq!(sending.await.unwrap().unwrap().json::<serde_json::Value>().await.unwrap(), json!({"offset": 17}));
    server.post(&format!("/leases/{}/complete", text(&lease["lease"])), json!(1)).await.is(200);
    assert!(pieces.next().await.is_none());

    assert_eq!(server.get(&stream).await.is(200).text(), "hello worldonetwo");
    for past in ["?offset=17&follow=true", "?offset=17", "?offset=99"] {
        server.get(&format!("{stream}{past}")).await.is(204);
    }
}

#[tokio::test]
async fn a_follower_that_has_gone_holds_nothing_even_with_a_request_behind() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let mut gone = Vec::new();
    for (path, accept) in
        [("log?follow=true", "*/*"), ("stream?follow=true", "text/event-stream"), ("events", "text/event-stream")]
    {
        let request =
            format!("GET {job}/{path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\nGET /livez HTTP/1.1\r\n");
        let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 12]).await.unwrap() > 0);
        gone.push(stream);
    }
    assert!(server.get("/metrics").await.text().contains("raincheck_http_streams 3"));
    drop(gone);
    until("all are noticed to have gone", Duration::from_secs(60), async || {
        server.get("/metrics").await.text().contains("raincheck_http_streams 0")
    })
    .await;
}

#[tokio::test]
async fn a_follower_waits_for_the_first_byte_no_longer_than_any_wait_may_take() {
    let server = TestServer::with(|options| options.limits.wait = 50).await;
    let job = server.job().await;
    let asked = Instant::now();
    assert_eq!(server.get(&format!("{job}/stream?follow=true")).await.is(202).json()["state"], "queued");
    assert!(asked.elapsed() < Duration::from_secs(20), "held for {:?}", asked.elapsed());
}

fn chunked() -> (tokio::sync::mpsc::Sender<&'static str>, Body) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece: &str| (Ok::<_, std::io::Error>(piece), receiver))
    });
    (sender, Body::wrap_stream(pieces))
}

#[tokio::test]
async fn text_as_events_and_a_new_attempt_starts_over() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let stream = format!("{job}/stream");
    let first = server.lease("k").await;
    let append = |lease: &serde_json::Value, media: &'static str, body: &'static [u8]| {
        let url = format!("/leases/{}/stream", text(&lease["lease"]));
        send(server.ask(Method::POST, &url).header("content-type", media).body(body))
    };
    // A character comes in two pieces.
    append(&first, "text/plain; charset=utf-8", b"a\nb\xc3").await.is(200);
    append(&first, "text/plain; charset=utf-8", b"\xa9\r\n").await.is(200);
    let events = |last: Option<&'static str>| {
        let request = server.ask(Method::GET, &stream).header("accept", "text/event-stream");
        last.map_or(request.try_clone().unwrap(), |id| request.header("last-event-id", id))
    };
    let mut live = events(None).send().await.unwrap().bytes_stream();
    let mut seen = String::new();
    while !seen.contains("id: 1-7") {
        seen += std::str::from_utf8(&live.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(seen.contains("id: 1-3\ndata: a\ndata: b\n\n"), "{seen}");
    assert!(seen.contains("id: 1-7\ndata: é\ndata: \n\n"), "{seen}");
    server.post(&format!("/leases/{}/fail", text(&first["lease"])), json!({"retry_after": "0s"})).await.is(200);
    let second = server.lease("k").await;
    append(&second, "text/plain", b"again").await.is(200);
    while !seen.contains("again") {
        seen += std::str::from_utf8(&live.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(
        seen.contains("event: attempt\nid: 2-0\ndata: 2\n\n") && seen.contains("id: 2-5\ndata: again\n\n"),
        "{seen}"
    );
    assert_eq!(server.get(&format!("{stream}?attempt=1")).await.is(200).text(), "a\nbé\r\n");
    server.post(&format!("/leases/{}/complete", text(&second["lease"])), json!(1)).await.is(200);
    while live.next().await.is_some() {}

    send(events(Some("2-5"))).await.is(204);
    assert!(send(events(Some("2-2"))).await.is(200).text().ends_with("id: 2-5\ndata: ain\n\n"));
    for foreign in ["1-7", "abc", "9-9"] {
        let over = send(events(Some(foreign))).await;
        assert!(
            over.is(200).text().contains("event: attempt\nid: 2-0\ndata: 2\n\nid: 2-5\ndata: again\n\n"),
            "{foreign}: {}",
            over.text()
        );
    }
}

#[tokio::test]
async fn other_types_are_no_events() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = server.lease("k").await;
    let append = format!("/leases/{}/stream", text(&lease["lease"]));
    send(server.ask(Method::POST, &append).header("content-type", "image/png").body("x")).await.is(200);
    let events = server.ask(Method::GET, &format!("{job}/stream")).header("accept", "text/event-stream");
    assert_eq!(send(events).await.is(406).slug(), "not-acceptable");
}

#[tokio::test]
async fn the_log_is_one_for_all_attempts() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let log = format!("{job}/log");
    assert_eq!(server.get(&log).await.is(200).text(), "");
    for (attempt, line) in ["one\n", "two\n"].into_iter().enumerate() {
        let lease = server.lease("k").await;
        let url = format!("/leases/{}", text(&lease["lease"]));
        for _ in 0..2 {
            send(
                server
                    .ask(Method::POST, &format!("{url}/log?offset=0"))
                    .header("content-type", "text/plain")
                    .body(line),
            )
            .await
            .is(200);
        }
        let end = if attempt == 0 { ("fail", json!({"retry_after": "0s"})) } else { ("complete", json!(1)) };
        server.post(&format!("{url}/{}", end.0), end.1).await.is(200);
    }
    let all = server.get(&log).await;
    assert_eq!((all.is(200).text().as_str(), all.header("content-type")), ("one\ntwo\n", "text/plain; charset=utf-8"));
    assert_eq!(server.get(&format!("{log}?offset=4&follow=true")).await.is(200).text(), "two\n");
    server.get(&format!("{log}?offset=8&follow=true")).await.is(204);
}

#[tokio::test]
async fn a_run_learns_how_much_is_taken_and_a_later_one_finds_room_in_a_full_log() {
    let server = TestServer::new().await;
    let log = format!("{}/log", server.job().await);
    let (most, more) = (8 << 20, 64 << 10);
    let mut all = 0;
    for attempt in 1..=3 {
        let lease = server.lease("k").await;
        let url = format!("/leases/{}", text(&lease["lease"]));
        let limit = most + (attempt - 1) * more;
        let expected = json!({"result_bytes": 1 << 30, "stream_bytes": 64 << 20, "log_bytes": limit});
        assert_eq!(lease["limits"], expected);
        let send = async |to: &str, bytes: usize| {
            send(server.ask(Method::POST, &format!("{url}/{to}")).body(vec![b'x'; bytes])).await
        };
        assert_eq!(send("stream", 0).await.is(200).json(), json!({"offset": 0, "room": 64 << 20}));
        let room = limit - all;
        assert_eq!(send("log", 0).await.is(200).json(), json!({"offset": 0, "room": room}));
        assert_eq!(send("log", 1_000).await.is(200).json(), json!({"offset": 1_000}));
        assert_eq!(send("log", 0).await.is(200).json(), json!({"offset": 1_000, "room": room - 1_000}));
        send("log", room - 1_000).await.is(200);
        assert_eq!(send("log", 0).await.is(200).json()["room"], 0);
        assert_eq!(send("log", 1).await.is(413).slug(), "too-large");
        all = limit;
        server.post(&format!("{url}/fail"), json!({"retry_after": "0s"})).await.is(200);
        server.post(&format!("{url}/stream"), json!(1)).await.is(409);
    }
    assert_eq!(server.get(&log).await.is(200).bytes.len(), all);
}
