//! Kinds with `run = […]`: a built-in worker for each, which speaks the public protocol to its own server.

use std::{path::Path, time::Duration};

use raincheck_client::{Client, Worker, run::command::Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::exit::Failure,
    config::{Config, Kind},
};

/// From SIGTERM to SIGKILL when a command is stopped.
const KILL_AFTER: Duration = Duration::from_secs(3);

/// The workers of this server.
#[derive(Default)]
pub struct Commands {
    shutdown: CancellationToken,
    running: JoinSet<()>,
}

impl Commands {
    /// Starts a worker for each kind that has a command.
    ///
    /// # Errors
    /// When a program is not there.
    pub fn start(config: &Config, client: &Client) -> Result<Self, Failure> {
        let mut commands = Self::default();
        let folder = config.folder();
        let grace = config.settings.server.grace.duration();
        for (kind, settings) in config.settings.kinds.iter().filter(|(_, settings)| !settings.run.is_empty()) {
            let origin = config.origin(&["kinds", kind, "run"]);
            let runner =
                runner(settings, &folder).map_err(|error| Failure::usage(format!("{origin}: kind {kind}: {error}")))?;
            let worker = Worker::builder(client.clone())
                .name(format!("serve-{kind}"))
                .version(env!("CARGO_PKG_VERSION"))
                .kind(kind, runner)
                .concurrency(settings.workers.unwrap_or(1))
                .grace(grace)
                .build()?;
            let (shutdown, kind) = (commands.shutdown.clone(), kind.clone());
            commands.running.spawn(async move {
                if let Err(error) = worker.run(shutdown).await {
                    tracing::error!(kind, %error, "the built-in worker ended");
                }
            });
        }
        Ok(commands)
    }

    /// Gives what runs its grace, then stops it and hands it back uncounted.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while self.running.join_next().await.is_some() {}
    }
}

fn runner(settings: &Kind, folder: &Path) -> Result<Command, raincheck_client::Error> {
    let (program, arguments) =
        settings.run.split_first().map_or(("", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    // A path is meant from the settings file's folder; a bare name is looked up on the search path.
    let program = if program.contains('/') { folder.join(program).into_os_string() } else { program.into() };
    let mut command = Command::builder(program, arguments)
        .directory(folder)
        .keep(settings.keep)
        .kill_after(KILL_AFTER)
        .retry_on(settings.retry_exit_codes.iter().copied());
    if settings.stream {
        command = command.stream(settings.content_type.as_deref().unwrap_or("text/plain; charset=utf-8"));
    }
    command.build()
}
