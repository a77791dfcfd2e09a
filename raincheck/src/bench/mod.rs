//! `raincheck bench`: measures this program on this machine, against a bare handler in the same run.
//!
//! The server is a child process: this same binary with its defaults, its data in a temporary folder, so that its
//! memory and its death are its own. The load comes from here, by `connection`, which is lean enough not to be the
//! limit. What is compared is measured in turns, several rounds, and the median counts.

mod bare;
mod bulk;
mod connection;
mod depth;
mod disk;
mod drain;
mod feed;
mod latency;
mod life;
mod load;
mod machine;
mod process;
mod report;
mod server;
mod status;
mod submit;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::cli::{
    exit::{Exit, Failure},
    output::Output,
};
use report::{Report, Row};

/// Options of `bench`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What to measure; everything if not said
    workloads: Vec<Workload>,
    /// How long each measure lasts
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
    /// Callers at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    callers: usize,
    /// Rounds, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Waiting jobs where many are meant
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    jobs: usize,
    /// Put the data below this folder, to measure its disk; the system's temporary folder if not said
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Serve the bare handler instead, with the answers in this folder
    #[arg(long, hide = true, value_name = "FOLDER")]
    bare: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "each row of the table says what it is")]
pub enum Workload {
    Submit,
    Bulk,
    Drain,
    Life,
    Single,
    Latency,
    Status,
    Depth,
    Memory,
    Start,
}

impl Options {
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.max(1))
    }

    fn rounds(&self) -> usize {
        self.rounds.max(1)
    }

    /// A new folder for data.
    fn scratch(&self) -> Result<tempfile::TempDir, Failure> {
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        tempfile::Builder::new()
            .prefix("raincheck-bench-")
            .tempdir_in(&folder)
            .map_err(|error| Failure::usage(format!("cannot make a folder in {}: {error}", folder.display())))
    }
}

/// Measures and prints.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    if let Some(answers) = &options.bare {
        return bare::serve(answers).await;
    }
    let chosen = if options.workloads.is_empty() { Workload::value_variants() } else { &options.workloads };
    let mut report = Report::begin();
    for workload in chosen {
        if let Some(name) = workload.to_possible_value() {
            eprintln!("measuring {} …", name.get_name());
        }
        report.rows.extend(workload.measure(&options).await?);
    }
    report.print(options.output.format)?;
    Ok(Exit::Done)
}

impl Workload {
    async fn measure(self, options: &Options) -> Result<Vec<Row>, Failure> {
        match self {
            Self::Submit => submit::measure(options).await,
            Self::Bulk => bulk::measure(options).await,
            Self::Drain => drain::measure(options).await,
            Self::Life => life::measure(options).await,
            Self::Single => life::single(options).await,
            Self::Latency => latency::measure(options).await,
            Self::Status => status::measure(options).await,
            Self::Depth => depth::measure(options).await,
            Self::Memory => process::memory(options).await,
            Self::Start => process::start(options).await,
        }
    }
}

/// Something about the load itself went wrong: a figure would be a lie.
fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("the measure is void: {what}"))
}
