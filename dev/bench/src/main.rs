//! Measures all that Raincheck is held to, on this machine: `cargo xtask bench`. The README beside it says what and how.
//!
//! The server is a child process, the program that users have. How to load it, to count and to report is
//! `raincheck::bench`, as is what `raincheck bench` measures too.

mod bare;
mod bloat;
mod bulk;
mod commit;
mod depth;
mod finished;
mod forget;
mod forks;
mod group;
mod hot_path;
mod idle;
mod instructions;
mod life;
mod memory;
mod metrics;
mod preload;
mod side;
mod single;
mod sizes;
mod start;
mod status;
mod steady;
mod submit;
mod tell;
mod workload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum as _};
use raincheck::{
    bench::{Options, announce, raise_files, report::Report},
    cli::{
        self,
        exit::{Exit, Failure},
    },
};
use serde::Serialize;

use hot_path::HotPath;
use sizes::Sizes;
use workload::Workload;

// What is walked in this process allocates as the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure all that Raincheck is held to, on this machine
#[derive(Parser, Debug)]
#[command(max_term_width = 100)]
struct Command {
    /// What to measure; everything but instructions and bloat if not said
    workloads: Vec<Workload>,
    #[command(flatten)]
    asked: Asked,
    /// The program to measure; the one that was built beside this one if not said
    #[arg(long, value_name = "PROGRAM")]
    raincheck: Option<PathBuf>,
    /// Serve the bare handler instead, with the answers in this folder
    #[arg(long, hide = true, value_name = "FOLDER")]
    bare: Option<PathBuf>,
    /// Walk a hot path instead, for one who counts its instructions
    #[arg(long, hide = true, value_name = "PATH")]
    walk: Option<HotPath>,
    /// How often
    #[arg(long, hide = true, value_name = "N", default_value_t = 1)]
    times: usize,
}

/// What the report repeats.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Asked {
    #[command(flatten)]
    #[serde(flatten)]
    options: Options,
    #[command(flatten)]
    #[serde(flatten)]
    sizes: Sizes,
}

fn main() -> ExitCode {
    let command = Command::parse();
    cli::run(run(command))
}

/// Measures and prints.
async fn run(command: Command) -> Result<Exit, Failure> {
    raise_files();
    let Asked { mut options, sizes } = command.asked;
    if let Some(answers) = &command.bare {
        return bare::serve(answers).await;
    }
    if let Some(path) = command.walk {
        return instructions::walk(path, command.times, options.folder.as_deref().unwrap_or(Path::new("."))).await;
    }
    options.program = Some(program(command.raincheck)?);
    let asked = Asked { options, sizes: sizes.sized() };
    let mut chosen = command.workloads;
    if chosen.is_empty() {
        chosen.extend(Workload::value_variants().iter().filter(|workload| workload.is_usual()));
    }
    asked.options.check_store(chosen.len()).await?;
    let mut report = Report::begin(&asked);
    for workload in chosen {
        announce(workload);
        report.rows.extend(workload.measure(&asked.options, &asked.sizes).await?);
    }
    report.print(asked.options.output.format)?;
    Ok(Exit::Done)
}

/// The program to measure, by a path that holds in every folder.
fn program(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let program = match named {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("raincheck"),
    };
    program.canonicalize().map_err(|error| {
        Failure::usage(format!("no program to measure, {}: {error}", program.display()))
            .next("`cargo xtask bench` builds it, or name one with --raincheck PROGRAM")
    })
}
