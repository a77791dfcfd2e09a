//! A wrong answer voids a measure instead of making it faster.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{connection::Connection, feed, load, server};
use crate::cli::exit::Failure;

/// Answers the `n`th request of every connection with the `n`th of these, then with the last; hangs up where the next
/// one is empty.
async fn answering(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 65_536];
                for index in 0.. {
                    let answer = answers[answers.len().min(index + 1) - 1];
                    if !matches!(stream.read(&mut request).await, Ok(1..)) {
                        return;
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answers.get(index + 1) == Some(&"") {
                        return;
                    }
                }
            });
        }
    });
    address
}

const TIME: Duration = Duration::from_millis(50);

async fn load(answers: &'static [&'static str]) -> Result<load::Load, Failure> {
    load::run(answering(answers).await, &server::batch(1), 202, 2, TIME).await
}

#[track_caller]
fn void<T>(result: Result<T, Failure>, why: &str) {
    let Err(failure) = result else { panic!("a figure came out: {why}") };
    let text = failure.to_string();
    assert!(text.contains("void") && text.contains(why), "{text}");
}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
const REFUSED: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull";

#[tokio::test]
async fn a_load_of_right_answers_counts() {
    let load = load(&[ACCEPTED]).await.map_err(|failure| failure.to_string()).unwrap();
    assert!(load.rate > 0.0 && !load.times.is_empty());
}

#[tokio::test]
async fn a_wrong_status_among_right_ones() {
    void(load(&[ACCEPTED, ACCEPTED, REFUSED, ACCEPTED]).await, "503 instead of 202: full");
}

#[tokio::test]
async fn a_server_that_hangs_up() {
    void(load(&[ACCEPTED, ""]).await, "end of file");
}

#[tokio::test]
async fn an_answer_cut_short() {
    void(load(&["HTTP/1.1 202 Accepted\r\ncontent-length: 9\r\n\r\n{}", ""]).await, "end of file");
}

#[tokio::test]
async fn a_run_that_could_not_be_finished() {
    const LEASES: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 43\r\n\r\n{\"leases\":[{\"lease\":\"a\",\"job\":{\"id\":\"b\"}}]}";
    const LOST: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 44\r\n\r\n{\"leases\":[],\"finished\":[{\"problem\":\"lost\"}]}";
    void(feed::drain(answering(&[LEASES, LOST]).await, 100, 32).await, "could not be finished");
}

#[tokio::test]
async fn a_stream_that_ends_before_the_end() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\n\r\ndata: {\"state\":\"running\"}\n\n";
    let mut watcher = Connection::open(answering(&[STREAM, ""]).await).await.map_err(|_| "no connection").unwrap();
    watcher.begin(b"GET / HTTP/1.1\r\n\r\n").await.map_err(|_| "no stream").unwrap();
    void(watcher.until(b"succeeded").await, "end of file");
}

#[tokio::test]
async fn a_stream_that_is_refused() {
    let mut watcher = Connection::open(answering(&[REFUSED]).await).await.map_err(|_| "no connection").unwrap();
    void(watcher.begin(b"GET / HTTP/1.1\r\n\r\n").await, "not answered 200");
}
