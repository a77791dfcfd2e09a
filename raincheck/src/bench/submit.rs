//! P1, P3: durable submits, one job a call, against the bare handler and against the disk.

use std::time::Duration;

use super::{
    Options, bare,
    connection::post,
    disk,
    load::{self, median},
    report::{Row, format_millis},
    server::{Server, job},
};
use crate::cli::exit::Failure;

/// Measures submits by many callers and by one.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let time = options.time();
    let answers = options.scratch()?;
    let request = post("/jobs", &job());
    let (mut many, mut limit, mut one, mut syncs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut p50, mut p99, mut p999) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        let folder = options.scratch()?;
        // Before the server writes: what it leaves to the system would be in the way.
        syncs.push(disk::syncs(folder.path(), time.min(Duration::from_secs(2))).await?);
        let server = Server::start(folder.path())?;
        bare::keep(answers.path(), "submit", &server.connect().await?.expect(&request, 202).await?)?;
        let load = load::run(server.address, &request, 202, options.callers, time).await?;
        many.push(load.rate);
        p50.push(load.millis(0.5));
        p99.push(load.millis(0.99));
        p999.push(load.millis(0.999));
        one.push(load::run(server.address, &request, 202, 1, time).await?.rate);
        drop(server);
        let bare = Server::bare(answers.path())?;
        limit.push(load::run(bare.address, &request, 202, options.callers, time).await?.rate);
    }
    let callers = options.callers;
    let (many, limit, one, syncs) = (median(many), median(limit), median(one), median(syncs));
    Ok(vec![
        Row::rate("P1", format!("durable submits, {callers} callers"), many, "jobs/s").of(
            format!("bare axum handler, {limit:.0}/s"),
            many / limit,
            0.50,
        ),
        Row::rate("P1", format!("p50 of a submit, {callers} callers"), median(p50), "ms")
            .note(format!("p99 {}", format_millis(median(p99)))),
        Row::rate("P3", "durable submits, 1 caller".to_owned(), one, "jobs/s").of(
            format!("append 4 KiB + fdatasync, {syncs:.0}/s"),
            one / syncs,
            0.5,
        ),
        Row::rate("P3", format!("p99.9 of a submit, {callers} callers"), median(p999), "ms").at_most(15.0),
    ])
}
