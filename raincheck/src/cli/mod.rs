//! The command line: one file for each group of verbs, and what they share.

mod backup;
mod bars;
mod config;
mod connect;
mod consumer;
mod control;
mod doctor;
mod events;
pub mod exit;
mod first;
mod follow;
#[cfg(test)]
mod fuzz;
mod ids;
mod list;
mod logged;
pub mod logging;
pub mod media;
mod migrate;
mod names;
mod notify;
mod operate;
pub mod output;
mod queue;
mod read;
mod reader;
mod report;
mod resources;
mod result;
pub mod serve;
pub mod signals;
pub mod stderr;
pub mod style;
mod submit;
pub mod when;
mod work;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use bars::Bars;
pub use connect::Connect;
use exit::{Exit, Failure};
pub use follow::{Show, follow};
pub use output::print;
pub use read::Shared;
use report::report;

use crate::{bench, demo};

/// Slow work in, a handle out at once, the result later.
#[derive(Parser, Debug)]
#[command(name = "raincheck", version, about, max_term_width = 100, disable_help_subcommand = true, after_help = AFTER)]
struct Cli {
    /// Said before the verb, it reaches the verb's own.
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Exit codes: 0 done, 1 the job failed, 2 usage, 3 not found, 4 timed out, 5 server unreachable or refused.
New here? `raincheck demo` shows the whole of it in one command.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Start a server, serve real work and watch it go through, in one command
    Demo(demo::Options),
    /// Run the server
    Serve(serve::Options),
    /// Run a program for each job of a kind
    Work(work::Options),
    /// Submit a job
    Submit(submit::Options),
    /// Show jobs as they are now
    Get(read::Get),
    /// Wait until jobs are done
    Wait(read::Wait),
    /// Follow jobs live until they are done
    Watch(read::Watch),
    /// Fetch the result of a job
    Result(result::ResultOptions),
    /// Print what a job's run streams to its caller
    Stream(result::Bytes),
    /// Print what a job's runs wrote for operators
    Log(result::Bytes),
    /// Cancel jobs
    Cancel(control::Cancel),
    /// Run finished jobs again, each as a new job
    Rerun(control::Rerun),
    /// Make scheduled jobs, and those that wait for their next attempt, due now
    RunNow(control::Control),
    /// Remove finished jobs and what belongs to them
    Purge(control::Control),
    /// Print events as they happen
    Events(events::Options),
    /// List jobs, newest first
    List(list::List),
    /// Look at queues and change them
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Look at named readers of the feed, and move them
    #[command(subcommand)]
    Reader(reader::ReaderCommand),
    /// Look at workers
    #[command(subcommand)]
    Worker(operate::WorkerCommand),
    /// Look for anything wrong with the data, beside a running server or without one
    Doctor(doctor::Options),
    /// Copy all data, as of one moment, into a folder that a server can be started on
    Backup(backup::Options),
    /// Move all data of a stopped server from SQLite to PostgreSQL
    Migrate(migrate::Options),
    /// Write, check or show the server's settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Measure this program on this machine
    Bench(bench::Command),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
    /// Print a script that completes this command line in a shell
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Reads the command line, does what it says and answers the exit code.
pub fn main() -> ExitCode {
    if let Some(ended) = first::run_if_first() {
        return ended.unwrap_or_else(|error| cannot_start(&error));
    }
    let cli = Cli::parse();
    if cli.command.goes_on()
        && let Err(error) = signals::hold()
    {
        // What it lacks says more.
        return resources::check().map_or_else(|failure| report(&failure), |()| cannot_start(&error));
    }
    if let Err(failure) = resources::check() {
        return report(&failure);
    }
    run(cli.command.run())
}

fn cannot_start(error: &std::io::Error) -> ExitCode {
    report(&Failure::new(Exit::Failed, format!("cannot start: {error}")))
}

/// Does what a command does and answers the exit code.
pub fn run(command: impl Future<Output = Result<Exit, Failure>>) -> ExitCode {
    // New requests are heard of after so many tasks, not after 61 as by default, when there is always another one to do.
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().event_interval(8).build() {
        Ok(runtime) => runtime,
        Err(error) => return cannot_start(&error),
    };
    let code = match runtime.block_on(command) {
        Ok(exit) => exit.into(),
        Err(failure) => report(&failure),
    };
    // A thread that waits for standard input must not hold up the end.
    runtime.shutdown_background();
    code
}

impl Command {
    /// Whether it goes on until it is told to stop, and has something to end then.
    fn goes_on(&self) -> bool {
        matches!(self, Self::Demo(_) | Self::Serve(_) | Self::Work(_))
    }

    async fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Demo(options) => demo::run(options).await,
            Self::Serve(options) => serve::run(options).await,
            Self::Work(options) => work::run(options).await,
            Self::Submit(options) => submit::run(options).await,
            Self::Get(options) => options.run().await,
            Self::Wait(options) => options.run().await,
            Self::Watch(options) => options.run().await,
            Self::Result(options) => options.run().await,
            Self::Stream(options) => options.stream().await,
            Self::Log(options) => options.log().await,
            Self::Cancel(options) => options.run().await,
            Self::Rerun(options) => options.run().await,
            Self::RunNow(options) => options.run_now().await,
            Self::Purge(options) => options.purge().await,
            Self::Events(options) => events::run(options).await,
            Self::List(options) => options.run().await,
            Self::Queue(command) => command.run().await,
            Self::Reader(command) => command.run().await,
            Self::Worker(command) => command.run().await,
            Self::Doctor(options) => doctor::run(options).await,
            Self::Backup(options) => backup::run(options).await,
            Self::Migrate(options) => migrate::run(options).await,
            Self::Config(command) => command.run(),
            Self::Bench(command) => bench::run(command).await,
            Self::Openapi => operate::openapi(),
            Self::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "raincheck", &mut script);
                output::print_bytes(&script)?;
                Ok(Exit::Done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
