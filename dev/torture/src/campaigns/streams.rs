//! Thousands of event streams that hear nothing for long, and then all hear the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::campaign::{Order, runtime};
use crate::tally::Tally;
use crate::test_server::TestServer;
use crate::wire::{Job, Leases};

/// Streams of a loop.
const STREAMS: u32 = 1_000;
/// Jobs that they watch.
const JOBS: usize = 100;
/// Streams opened at once.
const HERD: usize = 200;
/// All are told within this.
const TOLD: Duration = Duration::from_secs(30);

/// One loop is a thousand streams, all held at the same time.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let test = TestServer::new(order.name, "")?;
    let address: SocketAddr = test.server()?.url.trim_start_matches("http://").parse()?;
    let mut jobs = Vec::with_capacity(JOBS);
    for _ in 0..JOBS {
        let answer = test.http.post("/jobs", &json!({"kind": "idle"})).await.ok().context("the connection broke")?;
        jobs.push(answer.json::<Job>()?.id);
    }
    let before = test.server()?.resident()?;
    let count = (order.loops * STREAMS) as usize;
    let (mut streams, (opened, mut open)) = (JoinSet::new(), unbounded_channel());
    for number in 0..count {
        // A herd at a time: the system's backlog of connections is not what is tried here.
        if number >= HERD {
            open.recv().await.context("a stream did not open")?;
        }
        streams.spawn(watch(address, jobs[number % JOBS], opened.clone()));
    }
    for _ in 0..HERD.min(count) {
        open.recv().await.context("a stream did not open")?;
    }
    let resident = test.server()?.resident()?;
    let begin = Instant::now();
    let ask = json!({"worker": {"name": "w"}, "kinds": ["idle"], "max": JOBS});
    let leases: Leases = test.http.post("/leases", &ask).await.ok().context("the connection broke")?.json()?;
    ensure!(leases.leases.len() == JOBS, "{} of {JOBS} jobs were leased", leases.leases.len());
    let finish: Vec<Value> =
        leases.leases.iter().map(|it| json!({"lease": it.lease, "complete": {"result": "done"}})).collect();
    let ends = json!({"worker": {"name": "w"}, "kinds": ["idle"], "max": 0, "finish": finish});
    test.http.post("/leases", &ends).await.ok().context("the connection broke")?.json::<Leases>()?;
    let notified = tokio::time::timeout(TOLD, streams.join_all()).await.context("not every stream was told in time")?;
    let took = begin.elapsed();
    let deaf = notified.iter().filter(|it| it.is_err()).count();
    if let Some(Err(error)) = notified.iter().find(|it| it.is_err()) {
        test.log.complain("stream", format!("{deaf} of {count} streams were not told: {error:#}"));
    }
    let each = (resident.saturating_sub(before) * 1_024) as f64 / count as f64;
    let note =
        format!("{count} streams held, {each:.1} KiB each; all were told of the end within {} ms", took.as_millis());
    let submits = JOBS as u64;
    test.close(Tally { loops: order.loops.into(), submits, ends: submits, notes: vec![note], ..Tally::default() })
}

/// Follows a job until its stream ends, which must be after its final event.
async fn watch(address: SocketAddr, job: Uuid, opened: UnboundedSender<()>) -> Result<()> {
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    let head = format!("GET /jobs/{job}/events HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let (mut read, mut piece, mut notified) = (Vec::new(), [0; 1_024], false);
    loop {
        let length = stream.read(&mut piece).await.context("read")?;
        ensure!(length > 0, "it ended after: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..length]);
        if !notified && contains(&read, b"event: snapshot") {
            // Whoever does not listen any more has failed already.
            let _ = opened.send(());
            notified = true;
        }
        if contains(&read, b"\"succeeded\"") {
            return Ok(());
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
