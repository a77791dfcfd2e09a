//! Connections that would become something else: a WebSocket (RFC 6455 section 4.2), or HTTP/2 (RFC 9113 section 3).

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_server::TestServer;

/// The head of the answer, in lower case.
async fn head(server: &TestServer, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(Duration::from_secs(60), stream.read_u8()).await.expect("no answer").unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

fn handshake(key: &str, version: &str) -> String {
    format!(
        "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}"
    )
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

#[tokio::test]
async fn a_handshake_is_whole_or_refused() {
    let server = TestServer::new().await;
    let ask = async |fields: &str| head(&server, "/events", fields).await;
    let good = ask(&handshake(KEY, "13")).await;
    assert!(good.starts_with("http/1.1 101 ") && good.contains("\r\nconnection: upgrade\r\n"), "{good}");
    assert!(good.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{good}");
    let protocol = |name: &str| format!("{}\r\nSec-WebSocket-Protocol: {name}", handshake(KEY, "13"));
    let chosen = ask(&protocol("other, raincheck.v1")).await;
    assert!(chosen.starts_with("http/1.1 101 ") && chosen.contains("sec-websocket-protocol: raincheck.v1"), "{chosen}");
    let twice = format!("{}\r\nSec-WebSocket-Key: {KEY}", handshake(KEY, "13"));
    let unconnected = handshake(KEY, "13").replace("Connection: keep-alive, Upgrade", "Connection: keep-alive");
    for (what, fields) in [
        ("a short key", handshake("abc", "13")),
        ("a key of 15 bytes", handshake("AAAAAAAAAAAAAAAAAAAA", "13")),
        ("a key of 17 bytes", handshake("AAAAAAAAAAAAAAAAAAAAAAA=", "13")),
        ("a key that is no base64", handshake("dGhlIHNhbXBsZSBub25*ZQ==", "13")),
        ("an empty key", handshake("", "13")),
        ("no key", handshake(KEY, "13").replace("Sec-WebSocket-Key", "X")),
        ("two keys", twice),
        ("no upgrade in Connection", unconnected),
        ("another subprotocol", protocol("graphql-ws")),
    ] {
        let answer = ask(&fields).await;
        assert!(answer.starts_with("http/1.1 400 "), "{what}: {answer}");
    }
    for version in ["8", "14", "", "13, 8"] {
        let answer = ask(&handshake(KEY, version)).await;
        assert!(answer.starts_with("http/1.1 426 "), "{version}: {answer}");
        for field in ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"] {
            assert!(answer.contains(&format!("\r\n{field}\r\n")), "{version}: {answer}");
        }
    }
}

/// Java's client asks for HTTP/2 so with every first request, and goes on with HTTP/1.1 where it is passed over.
#[tokio::test]
async fn other_protocols_are_passed_over() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA";
    for path in ["/events?after=0", &format!("{job}/events"), "/livez"] {
        let answer = head(&server, path, h2c).await;
        assert!(answer.starts_with("http/1.1 200 "), "{path}: {answer}");
    }
    let stream = head(&server, &format!("{job}/events"), &format!("{h2c}\r\nAccept: text/event-stream")).await;
    assert!(stream.contains("content-type: text/event-stream"), "{stream}");
    let both = handshake(KEY, "13").replace("WebSocket\r\n", "h2c, websocket\r\n");
    assert!(head(&server, "/events", &both).await.starts_with("http/1.1 101 "));
    let page = "Origin: http://evil.test";
    let foreign = head(&server, "/events", &format!("{both}\r\n{page}")).await;
    assert!(foreign.starts_with("http/1.1 403 "), "{foreign}");
}

/// Who speaks HTTP/2 from the first byte on is told that HTTP/1.1 is spoken here, in its own frames.
#[tokio::test]
async fn http_2_is_refused_in_its_own_words() {
    let server = TestServer::new().await;
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frames = Vec::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut frames)).await.expect("no end").unwrap();
    assert_eq!(frames[..9], [0, 0, 0, 4, 0, 0, 0, 0, 0], "SETTINGS first");
    let goaway = &frames[9..];
    assert_eq!((&goaway[..9], goaway.len()), (&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], 17));
    assert_eq!(goaway[9..], [0, 0, 0, 0, 0, 0, 0, 13], "nothing was done, and HTTP_1_1_REQUIRED");
    assert_eq!(server.submit(json!({"kind": "k"})).await["state"], "queued");
}
