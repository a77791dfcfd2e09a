//! Clients that send half a request and then nothing: they are shown out, and the others do not notice.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::campaign::{Order, runtime};
use crate::tally::Tally;
use crate::test_server::{TestServer, until};

/// Half-sent requests at once.
const SLOW: usize = 2_000;
/// A first head must have come within ten seconds.
const SHOWN_OUT: Duration = Duration::from_secs(15);
/// What such a connection may have sent.
const HALVES: [&[u8]; 4] = [
    b"",
    b"POST /jobs HT",
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Ty",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: a",
];

/// One loop is as many slow clients as there may be at once, until the last of them is shown out.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let test = TestServer::new(order.name, "")?;
    let address: SocketAddr = test.server()?.url.trim_start_matches("http://").parse()?;
    let mut tally = Tally { loops: order.loops.into(), ..Tally::default() };
    let mut alone = submits(&test, Duration::from_secs(2), || false).await?;
    let before = test.server()?.descriptors()?;
    let mut beside = Vec::new();
    for _ in 0..order.loops {
        let mut slow = JoinSet::new();
        for number in 0..SLOW {
            slow.spawn(half(address, HALVES[number % HALVES.len()]));
        }
        until("all slow clients are connected", SHOWN_OUT, async || Ok(test.server()?.descriptors()? >= before + SLOW))
            .await?;
        let watched = async {
            let mut longest = Duration::ZERO;
            while let Some(lasted) = slow.join_next().await {
                longest = longest.max(lasted??);
            }
            Ok::<_, anyhow::Error>(longest)
        };
        let over = std::cell::Cell::new(false);
        let (longest, submitted) = tokio::join!(
            async {
                let longest = watched.await;
                over.set(true);
                longest
            },
            submits(&test, SHOWN_OUT * 2, || over.get())
        );
        ensure!(longest? <= SHOWN_OUT, "a half-sent request was held for more than {SHOWN_OUT:?}");
        beside.extend(submitted?);
        tally.faults += SLOW as u64;
    }
    let left =
        until("their descriptors are given back", SHOWN_OUT, async || Ok(test.server()?.descriptors()? <= before + 4));
    left.await?;
    tally.submits = (alone.len() + beside.len()) as u64;
    let (alone, beside) = (p99(&mut alone), p99(&mut beside));
    tally.notes.push(format!(
        "p99 of a submit: {:.2} ms alone, {:.2} ms beside {SLOW} slow clients",
        alone.as_secs_f64() * 1e3,
        beside.as_secs_f64() * 1e3
    ));
    test.close(tally)
}

/// Sends half a request and waits to be shown out; how long that took.
async fn half(address: SocketAddr, bytes: &'static [u8]) -> Result<Duration> {
    let mut stream = TcpStream::connect(address).await.context("a slow client cannot connect")?;
    stream.write_all(bytes).await?;
    let begin = Instant::now();
    let mut answer = Vec::new();
    // A reset says the same as an end.
    match tokio::time::timeout(SHOWN_OUT * 2, stream.read_to_end(&mut answer)).await {
        Ok(Ok(_)) => Ok(begin.elapsed()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(begin.elapsed()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Ok(SHOWN_OUT * 2),
    }
}

/// Submits one after the other, for so long or until it is over; how long each took.
async fn submits(test: &TestServer, length: Duration, over: impl Fn() -> bool) -> Result<Vec<Duration>> {
    let (begin, mut took) = (Instant::now(), Vec::new());
    while begin.elapsed() < length && !over() {
        let start = Instant::now();
        let answer =
            test.http.post("/jobs", &json!({"kind": "k"})).await.ok().context("a submit's connection broke")?;
        ensure!(answer.status == 202, "a submit was answered {} {}", answer.status, answer.text());
        took.push(start.elapsed());
    }
    Ok(took)
}

fn p99(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}
