//! P9, its small form: draining and submitting with many jobs waiting, against few.

use std::time::{Duration, Instant};

use super::{
    Options,
    connection::post,
    feed,
    load::{self, median},
    report::Row,
    server::{Server, job},
};
use crate::cli::exit::Failure;

/// Jobs drained at a time, and waiting where few are meant.
const FEW: usize = 10_000;

/// Measures both at both depths, in turns.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let folders = (options.scratch()?, options.scratch()?);
    let (shallow, deep) = (Server::start(folders.0.path())?, Server::start(folders.1.path())?);
    shallow.fill(FEW).await?;
    deep.fill(options.jobs).await?;
    let mut drains = [Vec::new(), Vec::new()];
    let mut submits = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds() {
        for (index, server) in [&shallow, &deep].into_iter().enumerate() {
            let mut took = Duration::ZERO;
            for _ in 0..5 {
                server.fill(FEW).await?;
                let begin = Instant::now();
                feed::drain(server.address, FEW, 32).await?;
                took += begin.elapsed();
            }
            drains[index].push(5.0 * FEW as f64 / took.as_secs_f64());
            submits[index].push(
                load::run(server.address, &post("/jobs", &job()), 202, options.callers, options.time() / 2).await?.rate,
            );
        }
    }
    let [few_drain, many_drain] = drains.map(median);
    let [few_submit, many_submit] = submits.map(median);
    let jobs = options.jobs;
    Ok(vec![
        Row::rate("P9", format!("drain with {jobs} waiting"), many_drain, "jobs/s").of(
            format!("{FEW} waiting, {few_drain:.0}/s"),
            many_drain / few_drain,
            0.85,
        ),
        Row::rate("P9", format!("submits with {jobs} waiting"), many_submit, "jobs/s").of(
            format!("{FEW} waiting, {few_submit:.0}/s"),
            many_submit / few_submit,
            0.85,
        ),
    ])
}
