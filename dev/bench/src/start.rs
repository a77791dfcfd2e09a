//! P12: the time to start, and how long commits hold up many callers.

use std::time::Duration;

use raincheck::{
    bench::{
        Options,
        broken::broken,
        connection::{self, Connection, post},
        load,
        report::Row,
        series::Series,
        server::{Server, job},
    },
    cli::exit::Failure,
};

use crate::commit::Commits;

/// Callers who share commits.
const CROWD: usize = 256;

/// Measures starts, empty and with many jobs after a kill -9, and the commits of many callers.
pub async fn measure(options: &Options, jobs: usize) -> Result<Vec<Row>, Failure> {
    let (mut empty, mut again) = (Series::default(), Series::default());
    let (mut commits, mut submits) = (Series::default(), Series::default());
    let request = post("/jobs", &job());
    let full = options.scratch()?;
    Server::start(options, full.path())?.fill(jobs).await?;
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(options, folder.path())?;
        empty.push(millis(server.started_in));
        load::run(server.address, &request, 202, CROWD, options.time() / 5).await?;
        let before = Commits::of(&server).await?;
        let load = load::run(server.address, &request, 202, CROWD, options.time()).await?;
        let stall = Commits::of(&server).await?.millis(&before, 0.99).ok_or_else(|| broken("no commits"))?;
        commits.push(stall);
        submits.push(load.millis(0.99));
        drop(server);
        again.push(restart(options, full.path(), &request).await?);
    }
    Ok(vec![
        Row::new("P12", "start, empty", empty, "ms").at_most(100.0),
        Row::new("P12", format!("start, {jobs} jobs, after kill -9"), again, "s").at_most(2.0),
        Row::new("P12", format!("p99 of a commit, {CROWD} callers"), commits, "ms")
            .at_most(6.0)
            .note("by the server's histogram: at most this"),
        Row::new("P12", format!("p99 of a submit, {CROWD} callers"), submits, "ms").note("the whole request"),
    ])
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Kills a server amid submits, so that there is something to recover, and starts it again; how long that took.
async fn restart(options: &Options, folder: &std::path::Path, request: &[u8]) -> Result<f64, Failure> {
    let server = Server::start(options, folder)?;
    let submits = tokio::spawn(submit_until_broken(server.connect().await?, request.to_vec()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(server);
    if submits.await.map_err(broken)? == 0 {
        return Err(broken("nothing was submitted before the kill"));
    }
    let server = Server::start(options, folder)?;
    // It says that it is ready, and is.
    server.connect().await?.expect(&connection::request("GET", "/readyz", &[], b""), 200).await?;
    Ok(server.started_in.as_secs_f64())
}

async fn submit_until_broken(mut connection: Connection, request: Vec<u8>) -> usize {
    let mut count = 0;
    while connection.expect(&request, 202).await.is_ok() {
        count += 1;
    }
    count
}
