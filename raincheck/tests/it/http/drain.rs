//! Shutting down: everything that waits ends, nothing that was accepted is lost.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::connect_async;

use super::bed::{Bed, send};

#[tokio::test]
async fn everything_that_waits_ends() {
    let mut bed = Bed::new().await;
    let job = bed.job().await;
    let mut stream = bed
        .ask(Method::GET, &format!("{job}/events"))
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap()
        .bytes_stream();
    stream.next().await.unwrap().unwrap();
    let (mut socket, _) = connect_async(format!("{}{job}/events", bed.url.replace("http://", "ws://"))).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let waiting = tokio::spawn(send(bed.ask(Method::GET, &format!("{job}?wait=50s"))));
    let polling = tokio::spawn(send(bed.ask(Method::GET, &format!("{job}/events?after=1&wait=50s"))));
    let leasing = tokio::spawn(send(bed.ask(Method::POST, "/leases").json(&json!({"kinds": ["x"], "wait": "50s"}))));
    let log = bed.ask(Method::GET, &format!("{job}/log?follow=true")).send().await.unwrap();
    super::super::server::until("the worker waits", Duration::from_secs(5), async || {
        bed.get("/workers").await.json()["items"].as_array().unwrap().len() == 1
    })
    .await;
    let started = Instant::now();
    bed.shutdown.cancel();
    bed.serving.take().unwrap().await.unwrap().unwrap();
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
    assert!(bed.ask(Method::GET, "/livez").send().await.is_err(), "the port is closed");
}

#[tokio::test]
async fn while_draining_nothing_is_taken_in() {
    let bed = Bed::new().await;
    let lease = {
        bed.job().await;
        bed.lease("k").await
    };
    bed.engine.drain();
    let refused = bed.post("/jobs", json!({"kind": "k"})).await;
    assert_eq!(refused.is(503).slug(), "draining");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(send(bed.ask(Method::POST, "/kinds/k/jobs").body("x")).await.is(503).slug(), "draining");
    assert_eq!(bed.get("/readyz").await.is(503).slug(), "draining");
    bed.get("/livez").await.is(200);
    // What runs may still be finished.
    let ends = json!({"kinds": ["k"], "finish": [{"lease": lease["lease"], "complete": {"result": 1}}]});
    let answer = bed.post("/leases", ends).await.is(200).json();
    assert_eq!((&answer["finished"][0]["state"], &answer["drain"]), (&json!("succeeded"), &json!(true)));
    let answer = bed.post("/leases", json!({"kinds": ["k"], "wait": "30s"})).await.is(200).json();
    assert_eq!(answer, json!({"leases": [], "finished": [], "drain": true}), "at once");
}

#[tokio::test]
async fn what_does_not_end_by_itself_is_cut_off_in_time() {
    let mut bed = Bed::new().await;
    bed.job().await;
    let lease = bed.lease("k").await;
    let pieces = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = bed.ask(Method::POST, &format!("/leases/{}/complete", super::bed::text(&lease["lease"])));
    let endless = tokio::spawn(request.body(reqwest::Body::wrap_stream(pieces)).send());
    super::super::server::until("the request is there", Duration::from_secs(5), async || {
        bed.get("/metrics").await.text().contains("raincheck_http_connections 2")
    })
    .await;
    let started = Instant::now();
    bed.shutdown.cancel();
    bed.serving.take().unwrap().await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(endless.await.unwrap().is_err());
}
