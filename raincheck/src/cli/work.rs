//! `raincheck work`: a program for each job of a kind.

use std::{ffi::OsString, sync::Arc, time::Duration};

use clap::{ArgGroup, Args};
use raincheck_client::{Worker, api::WireDuration, run::command::Command};
use raincheck_core::{NameError, Pattern};
use tokio_util::sync::CancellationToken;

use super::{
    Connect,
    exit::{Exit, Failure},
    logged::Logged,
    logging,
    names::name,
    notify,
    signals::Signals,
    style::Style,
    when,
};
use crate::config::sections::LogFormat;

/// Options of `work`.
#[derive(Args, Debug)]
#[command(after_help = AFTER, group = ArgGroup::new("what").args(["kinds", "queues"]).required(true).multiple(true))]
pub struct Options {
    /// Run the program for jobs of this kind, `*` standing for any run of characters ('shop.*'); can be given again; for any
    /// kind in the queues if not said.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<String>,
    /// Take jobs from this queue; can be given again; from all if not said.
    #[arg(long = "queue", value_name = "NAME", value_parser = name)]
    queues: Vec<String>,
    /// How many to run at once.
    #[arg(long, value_name = "N", default_value_t = 1)]
    concurrency: usize,
    /// Keep one warm process a slot that takes job after job as JSON lines.
    #[arg(long, conflicts_with = "stream")]
    keep: bool,
    /// Standard output is the job's stream, live, of this media type.
    #[arg(long, value_name = "TYPE", num_args = 0..=1, require_equals = true, default_missing_value = "text/plain; charset=utf-8")]
    stream: Option<String>,
    /// When told to stop, give runs so long to end; without a limit if not said.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    grace: Option<WireDuration>,
    /// An exit code that means "try again", beside 75; can be given again.
    #[arg(long = "retry-exit-code", value_name = "CODE", value_parser = clap::value_parser!(i32).range(1..=255))]
    retry_exit_codes: Vec<i32>,
    /// Hand this variable of the environment down to the program, or with NAME* all that begin so; can be given again.
    #[arg(long = "env", value_name = "NAME")]
    env: Vec<String>,
    /// What operators see the worker as; the host's name and the process id if not said.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How log lines look [default: pretty on a terminal, else json]
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// The program and its arguments; never through a shell.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
    #[command(flatten)]
    connect: Connect,
}

const AFTER: &str = "\
The program finds the input on standard input and in the file $RAINCHECK_INPUT, and facts about the job in
RAINCHECK_*. Its result is the file $RAINCHECK_RESULT if it writes that, else its standard output; standard error is
the log; lines {\"percent\":42,\"message\":\"...\"} on descriptor 3 are progress. Exit 0: succeeded, 75: try again,
any other: failed. Of this command's own environment it gets PATH, HOME, LANG and the like, and what --env names.

  raincheck work --kind text.upper -- tr a-z A-Z";

/// Works until told to stop.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let terminal = Style::stderr().is_terminal();
    let format = options.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    logging::start("info", format);
    let mut signals = Signals::listen()?;
    let client = options.connect.client()?;
    let Some((program, arguments)) = options.program.split_first() else {
        return Err(Failure::usage("name a program after `--`"));
    };
    let mut command = Command::builder(program, arguments)
        .environment(options.env)
        .keep(options.keep)
        .retry_on(options.retry_exit_codes);
    if let Some(content_type) = options.stream {
        command = command.stream(content_type);
    }
    let runner = Arc::new(Logged(command.build()?));
    let name = options.name.unwrap_or_else(|| format!("{}-{}", host(), std::process::id()));
    let mut worker =
        Worker::builder(client).name(&name).version(env!("CARGO_PKG_VERSION")).concurrency(options.concurrency);
    for kind in &options.kinds {
        worker = worker.shared_kind(kind, runner.clone());
    }
    if options.kinds.is_empty() {
        worker = worker.any_kind(runner);
    }
    for queue in &options.queues {
        worker = worker.queue(queue);
    }
    if let Some(grace) = options.grace {
        worker = worker.grace(Duration::from(grace));
    }
    let worker = worker.build()?;
    let said = |names: &[String]| (!names.is_empty()).then(|| names.join(" "));
    let (kinds, queues) = (said(&options.kinds), said(&options.queues));
    tracing::info!(name, kinds, queues, server = options.connect.server, "working; stop with Ctrl-C");
    let shutdown = CancellationToken::new();
    let mut running = tokio::spawn(worker.run(shutdown.clone()));
    notify::ready();
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = signals.stop() => {
            shutdown.cancel();
            notify::stopping();
            tracing::info!("finishing what runs; a second signal ends it now");
            tokio::select! {
                ended = &mut running => ended,
                // The supervisors see this process gone and end the programs.
                () = signals.stop() => std::process::exit(130),
            }
        }
    };
    ended.map_err(|error| Failure::new(Exit::Failed, error.to_string()))??;
    Ok(Exit::Done)
}

/// A kind or a pattern of kinds, as the server will take it.
fn kind(text: &str) -> Result<String, NameError> {
    Pattern::new(text).map(|kind| kind.to_string())
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "worker".to_owned() } else { name }
}
