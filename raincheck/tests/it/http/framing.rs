//! Where messages begin and end: lengths, transfer codings, and connections that close.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_server::{TestServer, path, send, text};

/// The head of an answer, in small letters, with a line break at its end.
fn head(answer: &str) -> String {
    answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase() + "\r\n"
}

#[tokio::test]
async fn an_answer_without_content_says_nothing_of_its_length() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = server.lease("k").await;
    send(server.ask(Method::POST, &format!("/leases/{}/complete", text(&lease["lease"])))).await.is(200);
    let with_result = server.job().await;
    server.complete("k", json!({"a": 1})).await;
    let etag = server.get(&format!("{with_result}/result")).await.is(200).header("etag").to_owned();
    for (target, more, status) in [
        (format!("{job}/result"), String::new(), 204),
        (format!("{job}/stream"), String::new(), 204),
        (job.clone(), "If-None-Match: *\r\n".to_owned(), 304),
        (format!("{with_result}/result"), format!("If-None-Match: {etag}\r\n"), 304),
    ] {
        for method in ["GET", "HEAD"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
            let answer = server.raw(request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {target}: {answer}");
            assert!(!head(&answer).contains("content-length"), "{method} {target}: {answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{method} {target}: {answer}");
        }
    }
    // A HEAD says what the GET would.
    for target in [&job, &with_result, "/livez", "/nope"] {
        let length = server.get(target).await.bytes.len();
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", &server.url[7..]);
        let answer = server.raw(request.as_bytes()).await;
        assert!(head(&answer).contains(&format!("content-length: {length}\r\n")), "{target}: {answer}");
    }
}

#[tokio::test]
async fn what_the_caller_has_is_not_described_again() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k"})).await);
    server.complete("k", json!({"a": 1})).await;
    let result = format!("{job}/result");
    let whole = server.get(&result).await;
    let etag = whole.is(200).header("etag");
    let same = send(server.ask(Method::GET, &result).header("if-none-match", etag)).await;
    assert_eq!((same.is(304).header("etag"), same.header("cache-control")), (etag, whole.header("cache-control")));
    for name in ["content-type", "content-disposition", "content-length", "accept-ranges"] {
        assert_eq!(same.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn an_unknown_transfer_coding_ends_the_connection() {
    let server = TestServer::new().await;
    for target in ["/livez", "/jobs", "/kinds/k/jobs", "/leases/x/complete", "/nope"] {
        for coding in ["gzip, chunked", "chunked, chunked", "gzip\r\nTransfer-Encoding: chunked"] {
            // No `Connection: close`: it is the server that ends it.
            let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {coding}\r\n\r\n");
            let mut stream = TcpStream::connect(&server.url[7..]).await.unwrap();
            stream.write_all(format!("{head}2\r\n{{}}\r\n0\r\n\r\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 501 "), "{target} {coding}: {answer}");
            assert!(self::head(&answer).contains("connection: close\r\n"), "{target} {coding}: {answer}");
        }
    }
}

#[tokio::test]
async fn who_is_too_slow_is_told_that_the_connection_ends() {
    let server = TestServer::with(|options| options.limits.slow = 100).await;
    let mut stream = TcpStream::connect(&server.url[7..]).await.unwrap();
    let head =
        "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(self::head(&answer).contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn who_goes_on_sending_gets_to_read_the_answer() {
    let server = TestServer::with(|options| options.limits.file = 200_000).await;
    let lease = {
        server.job().await;
        server.lease("k").await
    };
    let piece = vec![b'x'; 1 << 20];
    let chunk = [b"100000\r\n".as_slice(), &piece, b"\r\n"].concat();
    let chunked = "Content-Type: text/plain\r\nTransfer-Encoding: chunked";
    let counted = format!("Content-Type: text/plain\r\nContent-Length: {}", 96 << 20);
    let complete = format!("/leases/{}/complete", text(&lease["lease"]));
    for (target, more, what, status) in [
        ("/kinds/k/jobs", chunked, &chunk, 413),
        (&*complete, chunked, &chunk, 413),
        ("/kinds/k/jobs", &counted, &piece, 413),
        ("/nothing/here", &counted, &piece, 404),
        ("/kinds/-/jobs", chunked, &chunk, 404),
    ] {
        let mut stream = TcpStream::connect(&server.url[7..]).await.unwrap();
        let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // It does not look up before it has sent more than anybody throws away beforehand.
        for sent in 0..96 {
            stream.write_all(what).await.unwrap_or_else(|e| panic!("{target}: {e} after {sent} MiB"));
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap_or_else(|e| panic!("{target}: {e}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {more}: {answer}");
    }
}
