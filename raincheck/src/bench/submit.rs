//! P1, P3: durable submits, one job a call, against the bare handler and against the disk.

use std::time::Duration;

use super::{
    Options, bare,
    connection::post,
    disk, load,
    report::Row,
    series::Series,
    server::{Server, job},
};
use crate::cli::exit::Failure;

/// Measures submits by many callers and by one.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let time = options.time();
    let answers = options.scratch()?;
    let request = post("/jobs", &job());
    let (mut many, mut limit, mut one, mut syncs): (Series, Series, Series, Series) = Default::default();
    let (mut p50, mut p99, mut p999): (Series, Series, Series) = Default::default();
    for _ in 0..options.rounds {
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
    Ok(vec![
        Row::new("P1", format!("durable submits, {callers} callers"), many, "jobs/s")
            .over("bare axum handler", &limit)
            .at_least(0.50),
        Row::new("P1", format!("p50 of a submit, {callers} callers"), p50, "ms"),
        Row::new("P1", format!("p99 of a submit, {callers} callers"), p99, "ms"),
        Row::new("P3", "durable submits, 1 caller", one, "jobs/s")
            .over("append 4 KiB + fdatasync", &syncs)
            .at_least(0.5),
        Row::new("P3", format!("p99.9 of a submit, {callers} callers"), p999, "ms").at_most(15.0),
    ])
}
