//! How much there is of what is measured.

use clap::Args;
use raincheck::bench::options::at_least_one;
use serde::Serialize;

/// Sizes of single workloads.
#[derive(Args, Clone, Debug, Serialize)]
pub struct Sizes {
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
}

impl Sizes {
    /// The sizes of the goals, where they were asked for.
    pub fn sized(self) -> Self {
        if !self.full {
            return self;
        }
        Self { deep: 5_000_000, later: 1_000_000, finished: 10_000_000, ..self }
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=1_440.0).contains(&minutes) { Ok(minutes) } else { Err("from 0.05 to 1440".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sizes: Sizes,
    }

    #[test]
    fn sizes_of_the_goals() {
        let full = Line::parse_from(["bench", "--full"]).sizes.sized();
        assert_eq!((full.deep, full.later, full.finished), (5_000_000, 1_000_000, 10_000_000));
        assert_eq!(Line::parse_from(["bench", "--deep", "7"]).sizes.sized().deep, 7);
        for wrong in ["--watchers=0", "--minutes=0", "--minutes=x"] {
            assert!(Line::try_parse_from(["bench", wrong]).is_err(), "{wrong}");
        }
    }
}
