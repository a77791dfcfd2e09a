//! P11, P12: what the process takes: memory, and time to start.

use std::time::{Duration, Instant};

use super::{
    Options, broken,
    connection::{Connection, post, request},
    load::{self, median},
    report::Row,
    server::{Server, job},
};
use crate::cli::exit::Failure;

const MIB: f64 = 1_048_576.0;
/// Event streams that watch and hear nothing.
const WATCHERS: usize = 2_000;

/// Measures resident memory: idle, with many jobs waiting under load, and for each idle watcher.
pub async fn memory(options: &Options) -> Result<Vec<Row>, Failure> {
    let folder = options.scratch()?;
    let server = Server::start(folder.path())?;
    let resident = || {
        server
            .memory()
            .map(|bytes| bytes as f64)
            .ok_or_else(|| broken("this system does not tell the memory of a process"))
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = resident()?;
    let watcher = watchers(&server, &resident).await?;
    server.fill(options.jobs).await?;
    load::run(server.address, &post("/jobs", &job()), 202, options.callers, options.time()).await?;
    let loaded = resident()?;
    Ok(vec![
        Row::rate("P11", "resident, idle".to_owned(), idle / MIB, "MiB").at_most(20.0),
        Row::rate("P11", format!("resident, {} waiting, under load", options.jobs), loaded / MIB, "MiB").at_most(100.0),
        Row::rate("P11", format!("resident for an idle watcher, of {WATCHERS}"), watcher / 1_024.0, "KiB")
            .at_most(16.0),
    ])
}

async fn watchers(server: &Server, resident: &impl Fn() -> Result<f64, Failure>) -> Result<f64, Failure> {
    let mut connection = server.connect().await?;
    let submitted: serde_json::Value =
        serde_json::from_slice(connection.expect(&post("/jobs", &job()), 202).await?.body)?;
    let id = submitted["id"].as_str().ok_or_else(|| broken("a job without an id"))?;
    let watch = request("GET", &format!("/jobs/{id}/events"), &[("accept", "text/event-stream")], b"");
    let before = resident()?;
    let mut streams: Vec<Connection> = Vec::with_capacity(WATCHERS);
    for _ in 0..WATCHERS {
        let mut stream = server.connect().await?;
        stream.begin(&watch).await?;
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok((resident()? - before).max(0.0) / WATCHERS as f64)
}

/// Measures the start: empty, and with many jobs after a kill -9; and the stalls that 256 callers see.
pub async fn start(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut empty = Vec::new();
    for _ in 0..options.rounds() {
        let folder = options.scratch()?;
        empty.push(Server::start(folder.path())?.started_in.as_secs_f64() * 1_000.0);
    }
    let folder = options.scratch()?;
    let server = Server::start(folder.path())?;
    let request = post("/jobs", &job());
    let stall = load::run(server.address, &request, 202, 256, options.time()).await?;
    server.fill(options.jobs).await?;
    // Killed in the middle of submits, so that there is something to recover.
    let killed = tokio::spawn(submit_until_broken(server.connect().await?, request));
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(server);
    killed.await.map_err(broken)?;
    let begin = Instant::now();
    let server = Server::start(folder.path())?;
    let again = begin.elapsed().as_secs_f64();
    if server.get("/readyz").await? != 200 {
        return Err(broken("the server says that it is ready and is not"));
    }
    Ok(vec![
        Row::rate("P12", "start, empty".to_owned(), median(empty), "ms").at_most(100.0),
        Row::rate("P12", format!("start, {} jobs, after kill -9", options.jobs), again, "s").at_most(2.0),
        Row::rate("P12", "p99 of a submit, 256 callers".to_owned(), stall.millis(0.99), "ms")
            .note("the goal, 6 ms, is of a commit in process; this is the whole request".to_owned()),
    ])
}

async fn submit_until_broken(mut connection: Connection, request: Vec<u8>) {
    while connection.expect(&request, 202).await.is_ok() {}
}
