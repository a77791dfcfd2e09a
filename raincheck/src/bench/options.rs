//! What every measure is told.

use std::{io, path::PathBuf, time::Duration};

use clap::Args;
use raincheck_store::PostgresOptions;
use serde::Serialize;

use crate::cli::{exit::Failure, output::Output};
use crate::config::StoreUrl;

/// How to measure.
#[derive(Args, Clone, Debug, Serialize)]
pub struct Options {
    /// How long each measure lasts; fractions are fine
    #[arg(long, value_name = "N", default_value = "5", value_parser = seconds)]
    pub seconds: f64,
    /// Rounds; what is compared is measured in turns, once a round, and medians count
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub rounds: usize,
    /// Callers at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub callers: usize,
    /// Put the data below this folder, to measure its disk; the system's temporary folder if not said
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip)]
    pub folder: Option<PathBuf>,
    /// Measure a store on PostgreSQL instead, in this database, as `postgres://USER@HOST/DATABASE`. It must hold no jobs, and
    /// what is measured leaves some there: name an empty one for each measure
    #[arg(long, value_name = "URL", value_parser = StoreUrl::read)]
    #[serde(skip)]
    pub store: Option<StoreUrl>,
    /// The program that is measured; if not said, the one that measures.
    #[arg(skip)]
    #[serde(skip)]
    pub program: Option<PathBuf>,
    #[command(flatten)]
    #[serde(skip)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub output: Output,
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

    /// The program that is measured.
    pub fn program(&self) -> io::Result<PathBuf> {
        self.program.clone().map_or_else(std::env::current_exe, Ok)
    }

    /// Refuses a database with jobs, which would be measured too, and run.
    pub async fn check_store(&self, workloads: usize) -> Result<(), Failure> {
        let Some(store) = self.store.as_ref().filter(|store| store.is_postgres()) else { return Ok(()) };
        let next = "name a database for each measure, an empty one: createdb";
        if workloads > 1 {
            return Err(Failure::usage("what one measure leaves in a database would count in the next").next(next));
        }
        if PostgresOptions::at(store.reveal(), &std::env::temp_dir()).holds_jobs().await? {
            return Err(Failure::usage("the database holds jobs, which would be measured too, and run").next(next));
        }
        Ok(())
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

/// A count of what there has to be one of.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a whole number, at least 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn what_can_be_measured_with() {
        let half = Line::parse_from(["bench", "--seconds", "0.5"]).options;
        assert_eq!((half.each_second(7), half.time()), (3, Duration::from_millis(500)));
        for wrong in ["--seconds=0", "--seconds=x", "--rounds=0", "--callers=0"] {
            assert!(Line::try_parse_from(["bench", wrong]).is_err(), "{wrong}");
        }
    }
}
