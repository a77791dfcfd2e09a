use clap::ValueEnum;
use raincheck::{
    bench::{Options, drain, latency, report::Row},
    cli::exit::Failure,
};

use crate::{
    bloat, bulk, depth, finished, forget, forks, idle, instructions, life, memory, single, sizes::Sizes, start, status,
    submit, tell,
};

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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
    /// Its rows.
    pub async fn measure(self, options: &Options, sizes: &Sizes) -> Result<Vec<Row>, Failure> {
        match self {
            Self::Submit => submit::measure(options).await,
            Self::Bulk => bulk::measure(options).await,
            Self::Drain => drain::measure(options).await,
            Self::Life => life::measure(options).await,
            Self::Single => single::measure(options).await,
            Self::Latency => latency::measure(options).await,
            Self::Tell => tell::measure(options, sizes.watchers).await,
            Self::Status => status::measure(options).await,
            Self::Depth => depth::measure(options, sizes).await,
            Self::Finished => finished::measure(options, sizes.finished).await,
            Self::Forget => forget::measure(options).await,
            Self::Memory => memory::measure(options, sizes).await,
            Self::Start => start::measure(options, sizes.jobs).await,
            Self::Command => forks::measure(options).await,
            Self::Idle => idle::measure(options).await,
            Self::Instructions => instructions::measure(options).await,
            Self::Bloat => bloat::measure(options, sizes.minutes).await,
        }
    }

    /// Whether it is measured when nothing is asked for: instructions are no figure of the machine and need valgrind, and
    /// bloat is of PostgreSQL alone and takes half an hour.
    pub fn is_usual(self) -> bool {
        !matches!(self, Self::Instructions | Self::Bloat)
    }
}
