//! Kinds with `run = […]`: a built-in worker for each, which speaks the public protocol to its own server.

use std::{collections::BTreeMap, path::Path, time::Duration};

use raincheck_client::{Client, Worker, run::command::Command};
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cli::exit::Failure,
    config::{Config, Kind, tree::Origin},
};

/// Programs have no more grace than this, with whatever limit a supervisor has for all of the server: see `TO_END`.
const GRACE_MOST: Duration = Duration::from_secs(7);
/// From SIGTERM to SIGKILL, at least, when the server ends.
const TO_END: Duration = Duration::from_secs(1);

/// The workers of this server.
#[derive(Default)]
pub struct Commands {
    serving: BTreeMap<String, Serving>,
    running: TaskTracker,
    /// No command has any more of its grace.
    no_grace: CancellationToken,
    /// Nor from SIGTERM to SIGKILL.
    hurry: CancellationToken,
}

/// A worker of one kind, and what it was made of.
struct Serving {
    settings: Kind,
    shutdown: CancellationToken,
}

/// What becomes of the workers when settings change: made in full before any of it is done.
pub struct Change {
    begin: Vec<(String, Kind, Worker)>,
    end: Vec<String>,
}

impl Change {
    /// What leads from the workers there are to those of `config`. Their names end in `own`.
    ///
    /// # Errors
    /// When a program is not there.
    pub fn of(commands: &Commands, config: &Config, client: &Client, own: &str) -> Result<Self, Failure> {
        let (folder, grace) = (config.folder(), config.settings.server.grace.duration());
        let secrets = config.settings.secret_variables();
        let kinds = || config.settings.kinds.iter().filter(|(_, settings)| !settings.run.is_empty());
        let stays = |kind: &String, settings: &Kind| {
            commands.serving.get(kind).is_some_and(|serving| made_of(&serving.settings) == made_of(settings))
        };
        let mut begin = Vec::new();
        for (kind, settings) in kinds().filter(|(kind, settings)| !stays(kind, settings)) {
            let runner = runner(settings, &folder, &secrets, &commands.hurry)
                .map_err(|error| no_runner(&[(config.origin(&["kinds", kind, "run"]), kind, error)]))?;
            let worker = Worker::builder(client.clone())
                .name(format!("serve-{kind}{own}"))
                .version(env!("CARGO_PKG_VERSION"))
                .kind(kind, runner)
                .concurrency(settings.workers.unwrap_or(1))
                .grace(grace)
                .grace_ends_on(commands.no_grace.clone())
                .build()?;
            begin.push((kind.clone(), settings.clone(), worker));
        }
        let ends = |kind: &&String| !kinds().any(|(other, settings)| other == *kind && stays(kind, settings));
        let end = commands.serving.keys().filter(ends).cloned().collect();
        Ok(Self { begin, end })
    }
}

/// Looks for the program of every kind that has one.
///
/// # Errors
/// Names all that are not there.
pub fn check(config: &Config) -> Result<(), Failure> {
    let (folder, secrets, hurry) = (config.folder(), config.settings.secret_variables(), CancellationToken::new());
    let kinds = config.settings.kinds.iter().filter(|(_, settings)| !settings.run.is_empty());
    let missing = kinds.filter_map(|(kind, settings)| {
        let error = runner(settings, &folder, &secrets, &hurry).err()?;
        Some((config.origin(&["kinds", kind, "run"]), kind, error))
    });
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() { Ok(()) } else { Err(no_runner(&missing)) }
}

fn no_runner(missing: &[(Origin, &String, raincheck_client::Error)]) -> Failure {
    let lines: Vec<String> =
        missing.iter().map(|(origin, kind, error)| format!("{origin}: kind {kind}: {error}")).collect();
    Failure::usage(lines.join("\n       ")).next(
        "install the program and make it executable (chmod +x), or change `run`: a name is looked for in PATH, a path \
         from the folder of the settings file",
    )
}

/// What is not done as the settings say.
pub fn remark(config: &Config) -> Option<String> {
    let (grace, origin) = (config.settings.server.grace.duration(), config.origin(&["server", "grace"]));
    (grace > GRACE_MOST).then(|| {
        format!(
            "{origin}: server.grace: of {grace:?} a server that is told to stop gives {GRACE_MOST:?}, as it ends within ten \
             seconds; run what needs longer by `raincheck work --grace`"
        )
    })
}

/// The settings that a worker is made of; the others are the server's to keep.
fn made_of(kind: &Kind) -> impl PartialEq + '_ {
    (&kind.run, &kind.env, kind.workers, kind.keep, kind.stream, &kind.content_type, &kind.retry_exit_codes)
}

impl Commands {
    /// Begins and ends workers. One that ends takes nothing new, and what it runs has its grace; the one that takes its
    /// place does not wait for that.
    pub fn apply(&mut self, change: Change) {
        for serving in change.end.iter().filter_map(|kind| self.serving.remove(kind)) {
            serving.shutdown.cancel();
        }
        for (kind, settings, worker) in change.begin {
            let shutdown = CancellationToken::new();
            let (stop, name) = (shutdown.clone(), kind.clone());
            self.running.spawn(async move {
                if let Err(error) = worker.run(stop).await {
                    tracing::error!(kind = name, %error, "the built-in worker ended");
                }
            });
            self.serving.insert(kind, Serving { settings, shutdown });
        }
    }

    /// Gives what runs its grace, then stops it and hands it back uncounted. However long that is, what has not ended a
    /// second before `kill_at` is told to, and killed then.
    pub async fn stop(self, kill_at: Instant) {
        self.serving.values().for_each(|serving| serving.shutdown.cancel());
        self.running.close();
        for (at, over) in [(kill_at - TO_END, &self.no_grace), (kill_at, &self.hurry)] {
            if timeout_at(at, self.running.wait()).await.is_ok() {
                return;
            }
            over.cancel();
        }
        self.running.wait().await;
    }
}

fn runner(
    settings: &Kind,
    folder: &Path,
    secrets: &[&str],
    hurry: &CancellationToken,
) -> Result<Command, raincheck_client::Error> {
    let (program, arguments) =
        settings.run.split_first().map_or(("", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    // A path is meant from the settings file's folder; a bare name is looked up on the search path.
    let program = if program.contains('/') { folder.join(program).into_os_string() } else { program.into() };
    let mut command = Command::builder(program, arguments)
        .directory(folder)
        .environment(&settings.env)
        .withhold(secrets.iter().copied())
        .keep(settings.keep)
        .kill_on(hurry.clone())
        .retry_on(settings.retry_exit_codes.iter().copied());
    if settings.stream {
        command = command.stream(settings.content_type.as_deref().unwrap_or("text/plain; charset=utf-8"));
    }
    command.build()
}
