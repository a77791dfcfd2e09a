//! Payloads whose files are lost or damaged: that is said as it is, and not as if it passed.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, path, send, text};

/// Larger than what is kept in the database.
const LARGE: usize = 300_000;

/// The only payload there is.
fn file(server: &TestServer) -> PathBuf {
    let shards = std::fs::read_dir(server.folder.path().join("blobs")).unwrap().map(|shard| shard.unwrap().path());
    let shards = shards.filter(|shard| shard.is_dir() && shard.file_name().unwrap().len() == 2);
    let mut files = shards.flat_map(|shard| std::fs::read_dir(shard).unwrap()).map(|file| file.unwrap().path());
    let file = files.next().expect("a payload");
    assert_eq!(files.next(), None);
    file
}

async fn with_input(server: &TestServer) -> (String, String) {
    let bytes = vec![b'x'; LARGE];
    let sent = server.ask(Method::POST, "/kinds/k/jobs").header("content-type", "image/png").body(bytes);
    let job = path(&send(sent).await.is(202).json());
    let lease = text(&server.lease("k").await["lease"]).to_owned();
    (job, format!("/leases/{lease}"))
}

/// The whole of it comes; else it is known before, or the connection breaks before its end.
async fn is_whole(server: &TestServer, path: &str) -> bool {
    let answer = server.ask(Method::GET, path).send().await.unwrap();
    assert!([200, 410].contains(&answer.status().as_u16()), "{answer:?}");
    answer.status() == 200 && answer.bytes().await.is_ok_and(|bytes| bytes.len() == LARGE)
}

#[tokio::test]
async fn an_input_that_is_gone() {
    let server = TestServer::new().await;
    let (job, lease) = with_input(&server).await;
    assert!(is_whole(&server, &format!("{lease}/input")).await);
    std::fs::remove_file(file(&server)).unwrap();
    assert_eq!(server.get(&format!("{lease}/input")).await.is(410).slug(), "payload-lost");
    let failure = json!({"error": {"type": "payload-lost", "title": "the input is lost"}, "retryable": false});
    server.post(&format!("{lease}/fail"), failure).await.is(200);
    assert_eq!(server.post(&format!("{job}/rerun"), json!({})).await.is(410).slug(), "payload-lost");
}

#[tokio::test]
async fn while_all_payloads_are_away_none_is_lost() {
    let server = TestServer::new().await;
    let (_, lease) = with_input(&server).await;
    std::fs::remove_file(file(&server)).unwrap();
    let blobs = server.folder.path().join("blobs");
    std::fs::rename(&blobs, server.folder.path().join("elsewhere")).unwrap();
    assert_eq!(server.get(&format!("{lease}/input")).await.is(503).slug(), "store-unavailable");
}

#[tokio::test]
async fn an_input_with_another_bit_or_end() {
    for damage in [|bytes: &mut Vec<u8>| bytes[LARGE / 2] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(LARGE - 1)] {
        let server = TestServer::new().await;
        let (_, lease) = with_input(&server).await;
        let file = file(&server);
        let mut bytes = std::fs::read(&file).unwrap();
        damage(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        let input = format!("{lease}/input");
        assert!(!is_whole(&server, &input).await, "nobody takes it for the input");
        assert_eq!(server.get(&input).await.is(410).slug(), "payload-lost");
    }
}

#[tokio::test]
async fn a_result_that_is_gone() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = text(&server.lease("k").await["lease"]).to_owned();
    let complete = server.ask(Method::POST, &format!("/leases/{lease}/complete")).header("content-type", "image/png");
    send(complete.body(vec![b'x'; LARGE])).await.is(200);
    assert!(is_whole(&server, &format!("{job}/result")).await);
    std::fs::remove_file(file(&server)).unwrap();
    assert_eq!(server.get(&format!("{job}/result")).await.is(410).slug(), "payload-lost");
    server.get(&job).await.is(200);
}

/// What is known to be lost answers nobody any more: its callers would ask for it again and again.
#[tokio::test]
async fn a_result_that_is_lost_is_made_again_for_the_next_who_ask() {
    for damage in ["gone", "cut", "changed"] {
        let server = TestServer::new().await;
        let asked = json!({"kind": "k", "method": "GET", "max_age": "1h"});
        let job = path(&server.submit(asked.clone()).await);
        let lease = text(&server.lease("k").await["lease"]).to_owned();
        let complete =
            server.ask(Method::POST, &format!("/leases/{lease}/complete")).header("content-type", "image/png");
        send(complete.body(vec![b'x'; LARGE])).await.is(200);
        let result = format!("{job}/result");
        assert_eq!(send(server.ask(Method::HEAD, &result)).await.is(200).header("content-length"), LARGE.to_string());
        assert_eq!(
            path(&server.post("/jobs", asked.clone()).await.is(200).json()),
            job,
            "it answers while it is whole"
        );

        let file = file(&server);
        match damage {
            "gone" => std::fs::remove_file(&file).unwrap(),
            "cut" => std::fs::write(&file, vec![b'x'; LARGE - 1]).unwrap(),
            _ => std::fs::write(&file, vec![b'y'; LARGE]).unwrap(),
        }
        if damage == "changed" {
            assert!(!is_whole(&server, &result).await);
        }
        send(server.ask(Method::HEAD, &result)).await.is(410);
        assert_eq!(server.get(&result).await.is(410).slug(), "payload-lost");
        let again = server.post("/jobs", asked.clone()).await.is(202).json();
        assert_ne!(path(&again), job, "{damage}");
        assert_eq!(
            path(&server.post("/jobs", asked).await.is(202).json()),
            path(&again),
            "it is the one that counts now"
        );
        let metrics = server.get("/metrics").await.is(200).text();
        let reads = if damage == "changed" { 3 } else { 2 };
        assert!(metrics.contains(&format!("raincheck_payloads_unreadable_total {reads}")), "{damage}: {metrics}");
    }
}
