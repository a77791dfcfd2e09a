//! P1, P3: durable submits, one job a call, against the disk.

use std::time::Duration;

use super::{
    Options,
    connection::post,
    disk, load,
    report::Row,
    series::Series,
    server::{Server, job},
};
use crate::cli::exit::Failure;

/// Figures of the rounds.
#[derive(Default)]
pub struct Submits {
    many: Series,
    p50: Series,
    p99: Series,
    p999: Series,
    one: Series,
    syncs: Series,
}

/// Measures submits by many callers and by one.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut submits = Submits::default();
    for _ in 0..options.rounds {
        submits.round(options).await?;
    }
    Ok(submits.rows(options.callers).into())
}

impl Submits {
    /// One round, of a server of its own.
    pub async fn round(&mut self, options: &Options) -> Result<(), Failure> {
        let (time, request) = (options.time(), post("/jobs", &job()));
        let folder = options.scratch()?;
        // Before the server writes: what it leaves to the system would be in the way.
        self.syncs.push(disk::syncs(folder.path(), time.min(Duration::from_secs(2))).await?);
        let server = Server::start(options, folder.path())?;
        let load = load::run(server.address, &request, 202, options.callers, time).await?;
        self.many.push(load.rate);
        self.p50.push(load.millis(0.5));
        self.p99.push(load.millis(0.99));
        self.p999.push(load.millis(0.999));
        self.one.push(load::run(server.address, &request, 202, 1, time).await?.rate);
        Ok(())
    }

    /// All of them; the first is the rate of so many callers.
    pub fn rows(self, callers: usize) -> [Row; 5] {
        [
            Row::new("P1", format!("durable submits, {callers} callers"), self.many, "jobs/s"),
            Row::new("P1", format!("p50 of a submit, {callers} callers"), self.p50, "ms"),
            Row::new("P1", format!("p99 of a submit, {callers} callers"), self.p99, "ms"),
            Row::new("P3", "durable submits, 1 caller", self.one, "jobs/s")
                .over("append 4 KiB + fdatasync", &self.syncs)
                .at_least(0.5),
            Row::new("P3", format!("p99.9 of a submit, {callers} callers"), self.p999, "ms").at_most(15.0),
        ]
    }
}
