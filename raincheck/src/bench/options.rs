use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::hot_path::HotPath;
use crate::cli::{exit::Failure, output::Output};
use crate::config::StoreUrl;

/// Options of `bench`.
#[derive(Args, Clone, Debug, Serialize)]
pub struct Options {
    /// What to measure; everything but instructions and bloat if not said
    #[serde(skip)]
    pub workloads: Vec<Workload>,
    /// How long each measure lasts; fractions are fine
    #[arg(long, value_name = "N", default_value = "5", value_parser = seconds)]
    pub seconds: f64,
    /// Rounds; what is compared is measured in turns, once a round, and medians count
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub rounds: usize,
    /// Callers at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub callers: usize,
    /// Event streams where many are meant
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = at_least_one)]
    pub watchers: usize,
    /// Waiting jobs of `memory` and `start`
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub jobs: usize,
    /// Waiting jobs of `depth` where many are meant; with --full 5,000,000
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub deep: usize,
    /// Urgent jobs of `depth` whose time has not come; with --full 1,000,000
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub later: usize,
    /// Finished jobs of `finished`; with --full 10,000,000
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub finished: usize,
    /// How long `bloat` lasts, minutes; fractions are fine
    #[arg(long, value_name = "N", default_value = "30", value_parser = minutes)]
    pub minutes: f64,
    /// Memory of the deep server of `depth`, MiB, page cache included; 0 does not limit it
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub memory: u64,
    /// The sizes of the goals for --deep, --later and --finished: some 15 GB of disk, many minutes
    #[arg(long)]
    #[serde(skip)]
    pub full: bool,
    /// Put the data below this folder, to measure its disk; the system's temporary folder if not said
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip)]
    pub folder: Option<PathBuf>,
    /// Measure a store on PostgreSQL instead, in this database, as `postgres://USER@HOST/DATABASE`; it must hold no jobs
    #[arg(long, value_name = "URL", value_parser = StoreUrl::read)]
    #[serde(skip)]
    pub store: Option<StoreUrl>,
    /// Serve the bare handler instead, with the answers in this folder
    #[arg(long, hide = true, value_name = "FOLDER")]
    #[serde(skip)]
    pub bare: Option<PathBuf>,
    /// Walk a hot path instead, for one who counts its instructions
    #[arg(long, hide = true, value_name = "PATH")]
    #[serde(skip)]
    pub walk: Option<HotPath>,
    /// How often
    #[arg(long, hide = true, value_name = "N", default_value_t = 1)]
    #[serde(skip)]
    pub times: usize,
    #[command(flatten)]
    #[serde(skip)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub output: Output,
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
    Tell,
    Status,
    Depth,
    Finished,
    Forget,
    Memory,
    Start,
    Command,
    Idle,
    Instructions,
    Bloat,
}

impl Workload {
    /// Whether it is measured when nothing is asked for: instructions are no figure of the machine and need valgrind, and
    /// bloat is of PostgreSQL alone and takes half an hour.
    pub fn is_usual(self) -> bool {
        !matches!(self, Self::Instructions | Self::Bloat)
    }
}

impl Options {
    /// How long a measure lasts.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// So many for each second of a measure.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by what the flags take")]
    pub fn each_second(&self, count: usize) -> usize {
        ((count as f64 * self.seconds) as usize).max(1)
    }

    /// The sizes of the goals, where they were asked for.
    pub fn sized(self) -> Self {
        if !self.full {
            return self;
        }
        Self { deep: 5_000_000, later: 1_000_000, finished: 10_000_000, ..self }
    }

    /// A new folder for data, with the settings of the server that is started there.
    pub fn scratch(&self) -> Result<tempfile::TempDir, Failure> {
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let scratch = tempfile::Builder::new()
            .prefix("raincheck-bench-")
            .tempdir_in(&folder)
            .map_err(|error| Failure::usage(format!("cannot make a folder in {}: {error}", folder.display())))?;
        if let Some(store) = &self.store {
            std::fs::write(scratch.path().join("raincheck.toml"), format!("[store]\nurl = \"{store}\"\n"))?;
        }
        Ok(scratch)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=3_600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.05 to 3600".to_owned()) }
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=1_440.0).contains(&minutes) { Ok(minutes) } else { Err("from 0.05 to 1440".to_owned()) }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a whole number, at least 1".to_owned()),
    }
}
