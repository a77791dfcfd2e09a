//! `raincheck bench`: measures this program on this machine.
//!
//! The server is a child process: this same binary with its defaults, its data in a temporary folder, so that its
//! memory and its death are its own. The load comes from here, by `connection`, which is lean enough not to be the
//! limit. What is compared is measured in turns, several rounds, and the median counts.
//!
//! It is public for the program in `dev/bench`, which measures all that Raincheck is held to by the same means.

pub mod broken;
pub mod connection;
mod disk;
pub mod drain;
pub mod feed;
pub mod latency;
pub mod life;
pub mod load;
mod machine;
pub mod options;
pub mod report;
pub mod series;
pub mod server;
pub mod submit;
#[cfg(test)]
mod void_tests;

use clap::{Args, ValueEnum};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::{
    exit::{Exit, Failure},
    stderr,
};
pub use options::Options;
use report::{Report, Row};

const AFTER: &str = "\
submit   one job a call, by many callers and by one, against what the disk can sync
drain    jobs that wait, leased in batches of 32
life     jobs submitted one a call, and leased in batches meanwhile
latency  from the submit until a waiting worker has the job, on an idle server

Bulk submits, depth, memory, starts, PostgreSQL under a foreign transaction and what else Raincheck is held to, against a
bare HTTP handler: `cargo xtask bench` in its sources (dev/bench/README.md).";

/// What `raincheck bench` is told.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct Command {
    /// What to measure; all of it if not said
    pub workloads: Vec<Workload>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub options: Options,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "AFTER says what each is")]
pub enum Workload {
    Submit,
    Drain,
    Life,
    Latency,
}

/// Measures and prints.
pub async fn run(command: Command) -> Result<Exit, Failure> {
    raise_files();
    let options = command.options;
    let chosen = if command.workloads.is_empty() { Workload::value_variants() } else { &command.workloads };
    options.check_store(chosen.len()).await?;
    let mut report = Report::begin(&options);
    for workload in chosen {
        report.rows.extend(workload.measure(&options).await?);
    }
    report.print(options.output.format)?;
    Ok(Exit::Done)
}

impl Workload {
    async fn measure(self, options: &Options) -> Result<Vec<Row>, Failure> {
        announce(self);
        match self {
            Self::Submit => submit::measure(options).await,
            Self::Drain => drain::measure(options).await,
            Self::Life => life::measure(options).await,
            Self::Latency => latency::measure(options).await,
        }
    }
}

/// Says on standard error what is measured now.
pub fn announce(workload: impl ValueEnum) {
    if let Some(name) = workload.to_possible_value() {
        stderr::say(&format!("measuring {} …", name.get_name()));
    }
}

/// Many connections are many files; children inherit what this process may have.
pub fn raise_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused, a connection that cannot be opened says so.
    let _ = setrlimit(Resource::Nofile, limit);
}
