//! A program under its supervisor, seen from the worker.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
};

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::{
    io::AsyncWriteExt as _,
    net::unix::pipe,
    process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command},
};

use super::{Plan, descriptors, facts::Facts, supervise::SUPERVISE};
use crate::{Error, run::Stop};

/// The descriptor on which programs report progress.
const PROGRESS_FD: i32 = 3;

/// A running program. Dropping it ends the program and all of its group within 2 s.
pub(super) struct Child {
    process: Process,
    /// Orders go in; its end is the order to end all.
    orders: ChildStdin,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
    pub(super) progress: Option<pipe::Receiver>,
}

/// Where a program's standard input and output are.
pub(super) enum Ends<'a> {
    /// Input from this file; output to that one, or to a pipe.
    Files { input: &'a Path, output: Option<std::fs::File> },
    /// Both are pipes; input goes through [`Child::feed`].
    Pipes,
}

impl Child {
    pub(super) fn spawn(plan: &Plan, facts: &Facts, ends: Ends<'_>, scratch: &Path) -> Result<Self, Error> {
        Self::try_spawn(plan, facts, ends, scratch)
            .map_err(|source| Error::io(format!("cannot start `{}`", plan.program.to_string_lossy()), source))
    }

    fn try_spawn(plan: &Plan, facts: &Facts, ends: Ends<'_>, scratch: &Path) -> io::Result<Self> {
        let supervisor = match &plan.supervisor {
            Some(path) => path.clone(),
            None => std::env::current_exe()?,
        };
        let (reader, writer) = io::pipe()?;
        let progress = pipe::Receiver::from_owned_fd(reader.into())?;
        let mut command = Command::new(supervisor);
        command.arg(SUPERVISE).arg("--remove").arg(scratch);
        let stdout = match ends {
            Ends::Files { input, output } => {
                command.arg("--stdin").arg(input);
                output.map_or_else(Stdio::piped, Stdio::from)
            }
            Ends::Pipes => Stdio::piped(),
        };
        if let Some(files) = descriptors::of_programs() {
            command.arg("--open-files").arg(files.to_string());
        }
        command.arg("--").arg(&plan.program).args(&plan.arguments);
        facts.apply(&mut command);
        command.env("RAINCHECK_PROGRESS_FD", PROGRESS_FD.to_string());
        for (name, value) in &plan.variables {
            command.env(name, value);
        }
        if let Some(directory) = &plan.directory {
            command.current_dir(directory);
        }
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        // Ctrl-C on a terminal is for the worker, which then drains; it must not end what it waits for.
        command.process_group(0);
        command
            .fd_mappings(vec![FdMapping { parent_fd: writer.into(), child_fd: PROGRESS_FD }])
            .map_err(io::Error::other)?;
        let mut process = command.spawn()?;
        // The command holds this side's write end of the progress pipe: only without it the pipe can end.
        drop(command);
        let orders = process.stdin.take().ok_or_else(|| io::Error::other("no pipe to the supervisor"))?;
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        Ok(Self { process, orders, stdout, stderr, progress: Some(progress) })
    }

    /// Waits for its end; when the order to stop comes, sends SIGTERM, and SIGKILL after the grace. The flag says
    /// whether it had to be stopped.
    pub(super) async fn wait(&mut self, plan: &Plan, stop: &Stop) -> io::Result<(ExitStatus, bool)> {
        tokio::select! {
            // One that has ended is not stopped any more.
            biased;
            status = self.process.wait() => return Ok((status?, false)),
            _ = stop.ordered() => {}
        }
        self.order(b"T").await;
        if let Ok(status) = tokio::time::timeout(plan.grace, self.process.wait()).await {
            return Ok((status?, true));
        }
        self.order(b"K").await;
        Ok((self.process.wait().await?, true))
    }

    /// Writes to the program's standard input.
    pub(super) async fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(1024 * 1024) {
            let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
            self.orders.write_all(b"D").await?;
            self.orders.write_all(&length.to_be_bytes()).await?;
            self.orders.write_all(piece).await?;
        }
        self.orders.flush().await
    }

    /// Whether it has ended, without waiting.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// A supervisor that is gone hears nothing, and needs not.
    async fn order(&mut self, order: &[u8]) {
        if self.orders.write_all(order).await.is_ok() {
            let _ = self.orders.flush().await;
        }
    }
}
