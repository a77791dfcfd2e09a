//! A program under its supervisor, seen from the worker.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    path::Path,
    process::ExitStatus,
    sync::Arc,
};

use futures_util::FutureExt as _;
use tokio::net::unix::pipe;

use super::{
    Plan,
    facts::Facts,
    supervisor::{Supervisor, Supervisors},
};
use crate::{Error, run::Stop};

/// A running program. Dropping it ends the program and all of its group within 2 s.
pub(super) struct Child {
    /// Until all of the program is gone.
    supervisor: Option<Supervisor>,
    supervisors: Arc<Supervisors>,
    pub(super) stdin: Option<pipe::Sender>,
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    pub(super) progress: Option<pipe::Receiver>,
}

/// Where a program's standard input and output are.
pub(super) struct Ends {
    /// A pipe if there is none.
    pub(super) input: Option<File>,
    /// A pipe if there is none.
    pub(super) output: Option<File>,
}

impl Child {
    pub(super) async fn spawn(
        supervisors: &Arc<Supervisors>,
        plan: &Plan,
        facts: &Facts,
        ends: Ends,
        scratch: &Path,
    ) -> Result<Self, Error> {
        Self::try_spawn(supervisors, plan, facts, ends, scratch)
            .await
            .map_err(|source| Error::io(format!("cannot start `{}`", plan.program.to_string_lossy()), source))
    }

    async fn try_spawn(
        supervisors: &Arc<Supervisors>,
        plan: &Plan,
        facts: &Facts,
        ends: Ends,
        scratch: &Path,
    ) -> io::Result<Self> {
        let (input, stdin) = match ends.input {
            Some(file) => (OwnedFd::from(file), None),
            None => {
                let (reader, writer) = io::pipe()?;
                (reader.into(), Some(pipe::Sender::from_owned_fd(writer.into())?))
            }
        };
        let (output, stdout) = match ends.output {
            Some(file) => (OwnedFd::from(file), None),
            None => receiver().map(|(end, stdout)| (end, Some(stdout)))?,
        };
        let (error, stderr) = receiver()?;
        let (reports, progress) = receiver()?;
        let mut supervisor = supervisors.take(plan)?;
        supervisor.run(plan, facts, scratch, [input, output, error, reports]).await?;
        Ok(Self {
            supervisor: Some(supervisor),
            supervisors: supervisors.clone(),
            stdin,
            stdout,
            stderr: Some(stderr),
            progress: Some(progress),
        })
    }

    /// Waits for its end; when the order to stop comes, sends SIGTERM, and SIGKILL after the grace. `None`: it had to be
    /// stopped, or was not there any more.
    pub(super) async fn wait(&mut self, plan: &Plan, stop: &Stop) -> io::Result<Option<ExitStatus>> {
        let Some(supervisor) = &mut self.supervisor else { return Ok(None) };
        let status = tokio::select! {
            // One that has ended is not stopped any more.
            biased;
            answer = supervisor.answer() => Some(answer?),
            _ = stop.ordered() => None,
        };
        // Why it was stopped counts, not how; a supervisor that is gone by now is just not used again.
        let stays = match &status {
            Some(answer) => answer.stays,
            None => supervisor.stop(plan.grace).await.is_ok_and(|answer| answer.stays),
        };
        if let Some(supervisor) = self.supervisor.take().filter(|_| stays) {
            self.supervisors.put(supervisor);
        }
        Ok(status.map(|answer| ExitStatus::from_raw(answer.status)))
    }

    /// Whether it has ended, without waiting.
    pub(super) fn has_ended(&mut self) -> bool {
        self.supervisor.as_mut().is_none_or(|supervisor| supervisor.answer().now_or_never().is_some())
    }
}

/// A pipe that the worker reads, and the program's end of it.
fn receiver() -> io::Result<(OwnedFd, pipe::Receiver)> {
    let (reader, writer) = io::pipe()?;
    Ok((writer.into(), pipe::Receiver::from_owned_fd(reader.into())?))
}
