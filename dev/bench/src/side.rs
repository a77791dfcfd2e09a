//! One of several servers that take turns at the same work, P1 and P5; only the one whose turn it is runs.

use std::time::{Duration, Instant};

use raincheck::{
    bench::{
        Options,
        connection::post,
        feed, load,
        report::Row,
        series::Series,
        server::{Server, job},
    },
    cli::exit::Failure,
};
use rustix::process::Signal;

/// A server and how it did.
pub struct Side {
    /// It; stopped when it is not its turn.
    pub server: Server,
    drains: Series,
    submits: Series,
}

impl Side {
    /// Stops `server` until its first turn.
    pub fn new(server: Server) -> Result<Self, Failure> {
        server.signal(Signal::STOP)?;
        Ok(Self { server, drains: Series::default(), submits: Series::default() })
    }

    /// Lets the server run on.
    pub fn resume(&self) -> Result<(), Failure> {
        self.server.signal(Signal::CONT)
    }

    /// Lets the server run for its turn: it takes and drains jobs, then takes as many as `callers` submit.
    pub async fn turn(&mut self, options: &Options) -> Result<(), Failure> {
        self.resume()?;
        // The first, smaller one warms up.
        self.drain(options.each_second(400)).await?;
        let count = options.each_second(2_000);
        let mut took = Duration::ZERO;
        for _ in 0..5 {
            took += self.drain(count).await?;
        }
        self.drains.push(5.0 * count as f64 / took.as_secs_f64());
        let request = post("/jobs", &job());
        let load = load::run(self.server.address, &request, 202, options.callers, options.time() / 2).await?;
        self.submits.push(load.rate);
        self.server.signal(Signal::STOP)
    }

    async fn drain(&self, count: usize) -> Result<Duration, Failure> {
        self.server.fill(count).await?;
        let begin = Instant::now();
        feed::drain(self.server.address, count, 32).await?;
        Ok(begin.elapsed())
    }

    /// The two rows of this server over those of `base`.
    pub fn rows(&self, id: &'static str, what: &str, base: &Self, as_what: &str) -> [Row; 2] {
        [
            Row::new(id, format!("drain, batches of 32, {what}"), self.drains.clone(), "jobs/s")
                .over(as_what, &base.drains),
            Row::new(id, format!("submits {what}"), self.submits.clone(), "jobs/s").over(as_what, &base.submits),
        ]
    }
}
