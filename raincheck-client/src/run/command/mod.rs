//! A kind that any program runs. Unix only.
//!
//! Program and arguments come from the operator alone, never from the job, and no shell is in between. The program
//! runs in the worker's directory and in a process group of its own.
//!
//! | what | where |
//! |---|---|
//! | input | standard input, and the file `$RAINCHECK_INPUT`; its media type in `$RAINCHECK_CONTENT_TYPE` |
//! | facts | `RAINCHECK_JOB`, `_KIND`, `_QUEUE`, `_METHOD`, `_ATTEMPT`, `_MAX_ATTEMPTS`, `_LABEL`, `_KEY`, `_TAG_<NAME>` (upper case, everything else than letters and digits as `_`), `TRACEPARENT` |
//! | scratch | the private directory `$RAINCHECK_TMP`, removed afterwards |
//! | result | the file `$RAINCHECK_RESULT` if the program writes it, else its standard output; nothing written is no result |
//! | | only a regular file is read, never a link, pipe or device; over the server's limit the program is stopped |
//! | its type | `{"content_type": "…", "filename": "…"}` in the file `$RAINCHECK_RESULT_META`; else `application/json`, `text/plain` or `application/octet-stream`, by what the bytes are |
//! | stream | with [`CommandBuilder::stream`], standard output, live |
//! | log | standard error |
//! | progress | lines `{"percent":42,"message":"…"}` on file descriptor 3 (`$RAINCHECK_PROGRESS_FD`) |
//! | outcome | exit 0 succeeded; 75 (`EX_TEMPFAIL`), the listed codes and death by a signal failed, retryable; any other code failed, with the last lines of standard error as the detail |
//!
//! **The worker's own trouble.** A program that cannot be started, a scratch disk that is full, gone or broken, an input
//! that cannot be fetched: none of that is the job's fault, so the run is [`Outcome::Trouble`]. A program that fails is
//! looked at twice: when by then, with its own files removed, nothing could be run here, its failure proves nothing.
//!
//! Of the worker's own environment a program gets the variables of [`ALWAYS`], and those that
//! [`CommandBuilder::environment`] lists. Its `RAINCHECK_*` (its token!) are never handed down.
//!
//! **Stopping.** On a cancel, a timeout, a lost lease or the end of a drain the whole process group gets SIGTERM, and
//! SIGKILL after a grace (10 s). When the program ends, whatever it left behind is ended, too.
//!
//! **A killed worker.** Every program runs under a small supervising process (see [`supervise`]) that notices when the
//! worker is gone, kill -9 included, and ends the group within 2 s. There is one for each that runs at once; it is kept
//! for the next jobs, because to start it costs more than many a program does. On Linux it adopts and ends processes that left the
//! group, too; elsewhere a process that calls `setsid` escapes. A supervisor that is itself killed with SIGKILL cannot
//! help any more: its program then runs on, and the run is failed, retryable.
//!
//! **Staying warm.** With [`CommandBuilder::keep`] one process per slot takes job after job; see [`keep`].

mod abandoned;
mod answers;
mod descriptors;
mod environment;
mod events;
mod facts;
mod family;
#[cfg(test)]
mod fuzz;
mod health;
pub mod keep;
mod left;
mod lines;
mod log;
mod members;
mod once;
mod orders;
mod output;
mod pipes;
mod plan;
mod progress;
mod remove;
mod result;
mod scratch;
pub mod supervise;
mod supervisor;
mod supervisors;
mod warm;
mod watch;

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

pub use abandoned::{hold, sweep};
pub use descriptors::raise_open_files;
pub use environment::{ALWAYS, check_variable};
pub use supervise::supervise_main_if_asked;

use tokio_util::sync::CancellationToken;

use self::plan::Plan;
use self::supervisor::Supervisor;
use super::{Outcome, Runner, Task};
use crate::{Error, aside};

/// Exit code that says "try again later" (`EX_TEMPFAIL` of sysexits).
const TEMPORARY: i32 = 75;

/// A program as a runner.
pub struct Command {
    plan: Plan,
    supervisors: Arc<supervisors::Supervisors>,
    warm: Option<keep::Pool>,
}

/// Makes a [`Command`].
#[must_use]
pub struct CommandBuilder {
    plan: Plan,
    keep: bool,
}

impl Command {
    /// Runs `program` with `arguments`.
    pub fn builder(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> CommandBuilder {
        let plan = Plan {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
            environment: environment::Environment::default(),
            directory: None,
            scratch: None,
            retry_on: vec![TEMPORARY],
            stream: None,
            grace: Duration::from_secs(10),
            hurry: CancellationToken::new(),
            supervisor: None,
        };
        CommandBuilder { plan, keep: false }
    }
}

impl CommandBuilder {
    /// Sets a variable of the program's environment.
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.plan.variables.push((name.into(), value.into()));
        self
    }

    /// Hands down these variables of the worker's own environment, beside [`ALWAYS`]. A name that ends in `*` stands for
    /// all that begin so.
    pub fn environment(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.plan.environment.listed.extend(names.into_iter().map(Into::into));
        self
    }

    /// No `*` of [`CommandBuilder::environment`] stands for these: only their whole name hands them down.
    pub fn withhold(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.plan.environment.withheld.extend(names.into_iter().map(Into::into));
        self
    }

    /// Runs it in this directory instead of the worker's.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.plan.directory = Some(directory.into());
        self
    }

    /// Makes inputs, results and scratch directories in this directory instead of the system's temporary one.
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.plan.scratch = Some(directory.into());
        self
    }

    /// Exit codes that another attempt may cure, beside 75.
    pub fn retry_on(mut self, codes: impl IntoIterator<Item = i32>) -> Self {
        self.plan.retry_on.extend(codes);
        self
    }

    /// Standard output is the job's stream, live, of this media type; the result is `$RAINCHECK_RESULT` alone.
    pub fn stream(mut self, content_type: impl Into<String>) -> Self {
        self.plan.stream = Some(content_type.into());
        self
    }

    /// One warm process per slot takes job after job, as JSON lines.
    pub fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// The time between SIGTERM and SIGKILL; 10 s if not said.
    pub fn kill_after(mut self, grace: Duration) -> Self {
        self.plan.grace = grace;
        self
    }

    /// Once this is canceled, the time of whatever was sent SIGTERM, or will be, is over.
    pub fn kill_on(mut self, hurry: CancellationToken) -> Self {
        self.plan.hurry = hurry;
        self
    }

    /// The executable that supervises, instead of the current one; it calls [`supervise_main_if_asked`] first of all.
    pub fn supervisor(mut self, executable: impl Into<PathBuf>) -> Self {
        self.plan.supervisor = Some(executable.into());
        self
    }

    /// The runner.
    ///
    /// # Errors
    /// [`Error::Configuration`] when there is no such program, or a variable that can't be handed down: better now than
    /// once for each job.
    pub fn build(self) -> Result<Command, Error> {
        let Self { plan, keep } = self;
        if keep && plan.stream.is_some() {
            return Err(Error::Configuration("a kept program's output is its answers; it cannot be a stream".into()));
        }
        plan.environment.listed.iter().try_for_each(|name| check_variable(name)).map_err(Error::Configuration)?;
        plan.has_program()?;
        aside::start().map_err(|source| Error::io("cannot start the threads for files", source))?;
        let warm = keep.then(keep::Pool::default);
        Ok(Command { plan, supervisors: Arc::default(), warm })
    }
}

#[async_trait::async_trait]
impl Runner for Command {
    async fn run(&self, task: Task) -> Outcome {
        let outcome = match &self.warm {
            Some(pool) => pool.run(&self.plan, &task).await,
            None => once::run(&self.supervisors, &self.plan, &task).await,
        };
        let outcome = match outcome {
            Ok(Outcome::Fail(failure)) if task.stop().reason().is_none() => {
                health::check(&self.plan).map(|()| Outcome::Fail(failure))
            }
            other => other,
        };
        outcome.unwrap_or_else(|error| {
            self.supervisors.clear();
            Outcome::of_error(&error)
        })
    }

    async fn ready(&self) -> Result<(), Error> {
        self.plan.has_program()?;
        health::check(&self.plan)?;
        abandoned::sweep_beside(self.plan.folder());
        // It is not kept: a server may have many kinds that nobody asks for.
        Supervisor::start(&self.plan).map(drop)
    }

    fn stops_within(&self) -> Duration {
        self.plan.grace + Duration::from_secs(5)
    }
}
