//! Clients that tear large uploads at every point, stall, are refused, or go away after the last byte without reading the
//! answer, while the server is killed now and then. Afterwards there are as many files as rows that refer to one, without
//! a restart, and nothing acknowledged lacks its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::campaign::{Order, runtime};
use crate::tally::Tally;
use crate::test_server::{TestServer, until};
use crate::wire::Leases;

/// Clients at once.
const CLIENTS: usize = 48;
/// Runs that are handed in at once.
const RUNS: usize = 12;
/// More than stands in the database, bytes.
const LARGE: usize = 150_000;
/// Until what is torn is cleared away.
const CLEARED: Duration = Duration::from_secs(20);
const KIND: &str = "torn";

/// What a client sends.
#[derive(Clone)]
enum Target {
    /// A raw submit, under one of a few keys or none.
    Raw(Option<u64>),
    /// A submit whose JSON goes to a file.
    Json,
    /// A raw submit that its head alone gets refused.
    Refused,
    /// A new input for a job that is not finished.
    Rerun(Uuid),
    /// The result of a run.
    Result(String, Uuid),
}

/// Where it stops.
#[derive(Clone, Copy)]
enum Tear {
    /// Closes after this share of its bytes, in thousandths.
    After(usize),
    /// Sends everything and closes without reading.
    Unread,
    /// Sends half and stays.
    Stall,
    /// Reads the answer.
    Never,
}

/// What came of it.
enum Fate {
    Unknown,
    Refused,
    Submitted(Uuid),
    Handed(Uuid),
    Stalls(TcpStream),
}

/// A job, as far as it tells of files.
#[derive(Deserialize)]
struct Listed {
    id: Uuid,
    state: String,
    result: Option<Size>,
}

#[derive(Deserialize)]
struct Size {
    size: usize,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Listed>,
    next_cursor: Option<String>,
}

/// One loop is one crowd of clients, and in a third of them a kill.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let mut test = TestServer::new(order.name, "")?;
    let address: SocketAddr = test.server()?.url.trim_start_matches("http://").parse()?;
    let mut rng = StdRng::seed_from_u64(order.seed);
    let mut tally = Tally { loops: order.loops.into(), ..Tally::default() };
    let (mut submitted, mut handed) = (Vec::new(), Vec::new());
    for number in 0..order.loops {
        let mut clients = JoinSet::new();
        for target in targets(&test, &mut rng).await? {
            let tear = tear(&mut rng);
            if !matches!(tear, Tear::Never) {
                tally.faults += 1;
            }
            clients.spawn(send(address, target, tear));
        }
        if rng.random_range(0..3) == 0 {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
            test.kill()?;
            test.start()?;
            tally.faults += 1;
        }
        let mut stalled = Vec::new();
        while let Some(fate) = clients.join_next().await {
            match fate?? {
                Fate::Unknown => tally.unknown += 1,
                Fate::Refused => tally.refused += 1,
                Fate::Submitted(id) => submitted.push(id),
                Fate::Handed(id) => handed.push(id),
                Fate::Stalls(stream) => stalled.push(stream),
            }
        }
        drop(stalled);
        cleared(&test, &format!("loop {number}")).await?;
    }
    test.kill()?;
    test.start()?;
    cleared(&test, "after a restart").await?;
    tally.lost = judge(&test, &submitted, &handed).await?;
    (tally.submits, tally.ends) = (submitted.len() as u64, handed.len() as u64);
    test.close(tally)
}

/// What the clients of a loop send: ends of the runs there are, and submits.
async fn targets(test: &TestServer, rng: &mut StdRng) -> Result<Vec<Target>> {
    // Runs whose results were torn come back soon.
    let ask = json!({"worker": {"name": "w"}, "kinds": [KIND], "max": RUNS, "ttl": "5s"});
    let answer = test.http.post("/leases", &ask).await.map_err(|_| anyhow::anyhow!("a lease broke"))?;
    let leased = if answer.status == 200 { answer.json::<Leases>()?.leases } else { Vec::new() };
    let mut targets: Vec<Target> = leased.into_iter().map(|it| Target::Result(it.lease, it.job.id)).collect();
    let waiting = all(test).await?.into_iter().find(|job| job.state == "queued" || job.state == "running");
    while targets.len() < CLIENTS {
        targets.push(match (rng.random_range(0..8), &waiting) {
            (0..3, _) => Target::Raw(None),
            (3..5, _) => Target::Raw(Some(rng.random_range(0..4))),
            (5, _) => Target::Refused,
            (6, Some(job)) => Target::Rerun(job.id),
            _ => Target::Json,
        });
    }
    Ok(targets)
}

fn tear(rng: &mut StdRng) -> Tear {
    match rng.random_range(0..8) {
        0..2 => Tear::After(rng.random_range(0..1_000)),
        2..4 => Tear::Unread,
        4 => Tear::Stall,
        _ => Tear::Never,
    }
}

async fn send(address: SocketAddr, target: Target, tear: Tear) -> Result<Fate> {
    // A server that was just killed refuses, and breaks off what it had.
    Ok(try_send(address, &target, tear).await.unwrap_or(Fate::Unknown))
}

async fn try_send(address: SocketAddr, target: &Target, tear: Tear) -> std::io::Result<Fate> {
    let whole = request(target);
    let mut stream = TcpStream::connect(address).await?;
    let sent = match tear {
        Tear::After(share) => whole.len() * share / 1_000,
        Tear::Stall => whole.len() / 2,
        Tear::Unread | Tear::Never => whole.len(),
    };
    stream.write_all(&whole[..sent]).await?;
    match tear {
        Tear::Stall => return Ok(Fate::Stalls(stream)),
        Tear::After(_) | Tear::Unread => return Ok(Fate::Unknown),
        Tear::Never => {}
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(fate(target, &String::from_utf8_lossy(&answer)))
}

fn fate(target: &Target, answer: &str) -> Fate {
    let status = answer.get(9..12).and_then(|status| status.parse::<u16>().ok());
    match (status, target) {
        (Some(200..300), Target::Result(_, id)) => Fate::Handed(*id),
        (Some(200..300), _) => {
            let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..36)?.parse().ok());
            id.map_or(Fate::Unknown, Fate::Submitted)
        }
        (Some(_), _) => Fate::Refused,
        (None, _) => Fate::Unknown,
    }
}

fn request(target: &Target) -> Vec<u8> {
    let large = "x".repeat(LARGE);
    let (path, media, body) = match target {
        Target::Raw(None) => (format!("/kinds/{KIND}/jobs"), "text/plain", large),
        Target::Raw(Some(key)) => (format!("/kinds/{KIND}/jobs?key={key}"), "text/plain", large),
        Target::Json => ("/jobs".to_owned(), "application/json", json!({"kind": KIND, "input": large}).to_string()),
        Target::Refused => (format!("/kinds/{KIND}/jobs"), "nonsense", large),
        Target::Rerun(id) => (format!("/jobs/{id}/rerun"), "application/json", json!({"input": large}).to_string()),
        Target::Result(lease, _) => (format!("/leases/{lease}/complete"), "text/plain", large),
    };
    let more = format!("Host: localhost\r\nConnection: close\r\nContent-Type: {media}");
    format!("POST {path} HTTP/1.1\r\n{more}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Waits until every file is a row's: each job has one for its input, and one for its result once it has succeeded.
async fn cleared(test: &TestServer, when: &str) -> Result<()> {
    let blobs = test.data().join("blobs");
    let mut seen = (0, 0, 0);
    let done = until("every file is a row's", CLEARED, async || {
        let rows = all(test).await?.iter().map(|job| 1 + usize::from(job.result.is_some())).sum();
        let (files, half_written) = files(&blobs)?;
        seen = (rows, files, half_written);
        Ok(files == rows && half_written == 0)
    })
    .await;
    if done.is_err() {
        let (rows, files, half_written) = seen;
        test.log.complain("left", format!("{when}: {files} files for {rows} rows, and {half_written} half-written"));
    }
    Ok(())
}

/// Finished files, and those that are not.
fn files(blobs: &Path) -> Result<(usize, usize)> {
    let (mut finished, mut half_written) = (0, 0);
    for within in std::fs::read_dir(blobs)? {
        let within = within?;
        let name = within.file_name();
        let is_shard = name.len() == 2 && within.file_type()?.is_dir();
        if is_shard || name == "tmp" {
            let count = std::fs::read_dir(within.path())?.count();
            *(if is_shard { &mut finished } else { &mut half_written }) += count;
        }
    }
    Ok((finished, half_written))
}

async fn all(test: &TestServer) -> Result<Vec<Listed>> {
    let (mut all, mut path) = (Vec::new(), "/jobs?limit=1000".to_owned());
    loop {
        let page: Page = test.http.fetch(&path).await?;
        all.extend(page.items);
        match page.next_cursor {
            Some(cursor) => path = format!("/jobs?limit=1000&cursor={cursor}"),
            None => return Ok(all),
        }
    }
}

/// How much of what was acknowledged is not there; the looks at the data see whether its files are whole.
async fn judge(test: &TestServer, submitted: &[Uuid], handed: &[Uuid]) -> Result<u64> {
    let all = all(test).await?;
    let job = |id: &Uuid| all.iter().find(|job| job.id == *id);
    let mut lost = 0;
    for id in submitted.iter().filter(|id| job(id).is_none()) {
        test.log.complain("lost", format!("{id} was acknowledged and is not there"));
        lost += 1;
    }
    for id in handed {
        let is_kept = job(id).is_some_and(|job| job.result.as_ref().is_some_and(|result| result.size == LARGE));
        let answer = test.http.get(&format!("/jobs/{id}/result")).await;
        let answer = answer.map_err(|_| anyhow::anyhow!("a look at a result broke"))?;
        if !is_kept || answer.status != 200 || answer.body.len() != LARGE {
            test.log.complain("lost", format!("the result of {id} was acknowledged and is answered {}", answer.status));
            lost += 1;
        }
    }
    ensure!(!submitted.is_empty(), "no client was acknowledged");
    Ok(lost)
}
