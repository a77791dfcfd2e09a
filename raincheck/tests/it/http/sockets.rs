//! How WebSockets end (RFC 6455 sections 5.5.1 and 7.4.1), frame by frame.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_server::TestServer;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A frame as clients send them, masked with zeros.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head];
    match u8::try_from(payload.len()).ok().filter(|length| *length < 126) {
        Some(length) => frame.push(0x80 | length),
        None => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    [&frame[..], &[0; 4], payload].concat()
}

/// What the server sends after its handshake until it closes the connection, when a client has sent `frames`.
async fn answer(server: &TestServer, frames: &[u8]) -> Vec<u8> {
    answer_at(server, "/events", frames).await
}

async fn answer_at(server: &TestServer, path: &str, frames: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream.write_all(frames).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("no end").unwrap();
    answer
}

#[tokio::test]
async fn a_close_is_echoed() {
    let server = TestServer::new().await;
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9leaving", b"\x0f\xa0mine"] {
        let echo = [&[CLOSE, u8::try_from(payload.len()).unwrap()], payload].concat();
        assert_eq!(answer(&server, &frame(CLOSE, payload)).await, echo);
    }
    let pinged = [frame(PING, b"p"), frame(CLOSE, b"\x03\xe8")].concat();
    assert_eq!(answer(&server, &pinged).await, b"\x8a\x01p\x88\x02\x03\xe8", "what came before it is answered first");
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_how() {
    let server = TestServer::new().await;
    let unmasked = [TEXT, 2, b'h', b'i'].to_vec();
    let endless = [&[0x82, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[0; 4]].concat();
    for (what, frames, code) in [
        ("no mask", unmasked, 1002),
        ("a reserved bit", frame(TEXT | 0x40, b"hi"), 1002),
        ("an unknown data frame", frame(0x83, b""), 1002),
        ("an unknown control frame", frame(0x8b, b""), 1002),
        ("a piece of nothing", frame(0x80, b"x"), 1002),
        ("a long ping", frame(PING, &[b'p'; 126]), 1002),
        ("a ping in pieces", frame(PING & 0x7f, b"p"), 1002),
        ("a close with half a code", frame(CLOSE, b"\x03"), 1002),
        ("a close with a code that is none", frame(CLOSE, b"\x03\xed"), 1002),
        ("text that is none", frame(TEXT, b"\xff\xff"), 1007),
        ("a close with a reason that is no text", frame(CLOSE, b"\x03\xe8\xff"), 1007),
        ("something to say", frame(TEXT, b"hi"), 1008),
        ("much to say", frame(TEXT, &[b'x'; 5_000]), 1009),
        ("an endless frame", endless, 1009),
    ] {
        let answer = answer(&server, &frames).await;
        assert_eq!(answer.first(), Some(&CLOSE), "{what}: {answer:x?}");
        assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), code, "{what}");
    }
}

/// What it has sent and nobody has read does not keep it from learning why it ends.
#[tokio::test]
async fn who_says_much_is_told_to_its_last_byte_and_learns_why() {
    let server = TestServer::new().await;
    let much = [&[0x82, 0xff][..], &(64_u64 << 20).to_be_bytes(), &[0; 4], &vec![0; 16 << 20]].concat();
    let many = frame(TEXT, &[b'x'; 1_000]).repeat(5_000);
    let closed = [frame(CLOSE, b"\x03\xe8"), vec![0; 16 << 20]].concat();
    for (what, frames, code) in [("one long frame", much, 1009), ("many frames", many, 1008), ("a close", closed, 1000)]
    {
        let answer = answer(&server, &frames).await;
        assert_eq!(answer.first(), Some(&CLOSE), "{what}");
        assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), code, "{what}");
    }
}

/// A job's socket ends with its last event, and the client's answer to that is waited for.
#[tokio::test]
async fn a_job_that_is_done_closes_its_socket() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let (path, pong) = (format!("{job}/events?after=0"), frame(0x8a, b""));
    let (heard, _) = tokio::join!(answer_at(&server, &path, &pong), server.complete("k", serde_json::json!(1)));
    let last = &heard[heard.len() - 8..];
    assert_eq!(last, b"\x88\x06\x03\xe8done", "{}", String::from_utf8_lossy(&heard));
}
