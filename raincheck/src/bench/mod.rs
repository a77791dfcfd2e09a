//! `raincheck bench`: measures this program on this machine, against a bare handler in the same run.
//!
//! The server is a child process: this same binary with its defaults, its data in a temporary folder, so that its
//! memory and its death are its own. The load comes from here, by `connection`, which is lean enough not to be the
//! limit. What is compared is measured in turns, several rounds, and the median counts.

mod bare;
mod bloat;
mod broken;
mod bulk;
mod commit;
mod connection;
mod depth;
mod disk;
mod drain;
mod feed;
mod finished;
mod forget;
mod forks;
mod group;
mod hot_path;
mod idle;
mod instructions;
mod latency;
mod life;
mod load;
mod machine;
mod memory;
mod options;
mod preload;
mod report;
mod series;
mod server;
mod side;
mod start;
mod status;
mod steady;
mod submit;
mod tell;
#[cfg(test)]
mod void_tests;

use std::path::Path;

use clap::ValueEnum as _;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::exit::{Exit, Failure};
pub use options::{Options, Workload};
use report::{Report, Row};

/// Measures and prints.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    raise_files();
    if let Some(answers) = &options.bare {
        return bare::serve(answers).await;
    }
    if let Some(path) = options.walk {
        return instructions::walk(path, options.times, options.folder.as_deref().unwrap_or(Path::new("."))).await;
    }
    let options = options.sized();
    let mut chosen = options.workloads.clone();
    if chosen.is_empty() {
        chosen.extend(Workload::value_variants().iter().filter(|workload| workload.is_usual()));
    }
    let mut report = Report::begin(&options);
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
            Self::Tell => tell::measure(options).await,
            Self::Status => status::measure(options).await,
            Self::Depth => depth::measure(options).await,
            Self::Finished => finished::measure(options).await,
            Self::Forget => forget::measure(options).await,
            Self::Memory => memory::measure(options).await,
            Self::Start => start::measure(options).await,
            Self::Command => forks::measure(options).await,
            Self::Idle => idle::measure(options).await,
            Self::Instructions => instructions::measure(options).await,
            Self::Bloat => bloat::measure(options).await,
        }
    }
}

/// Many connections are many files; children inherit what this process may have.
fn raise_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused, a connection that cannot be opened says so.
    let _ = setrlimit(Resource::Nofile, limit);
}
