//! A supervising process, seen from the worker.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use futures_util::FutureExt as _;
use rustix::{
    cmsg_space,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::UnixStream,
    process::{Child, Command},
};

use super::{
    descriptors,
    facts::Facts,
    orders::{self, Answer, ENDS, End},
    pipes::{Files, Pipes},
    plan::{PROGRESS_FD, Plan},
    scratch::Scratch,
    supervise::SUPERVISE,
};
use crate::{Error, run::Stop};

/// A supervising process, and the directory of its programs. Dropping it ends it, and all that it runs within 2 s.
pub(super) struct Supervisor {
    process: Child,
    /// Orders go in, answers come out; its end is the order to end all.
    socket: UnixStream,
    /// The part of an answer that is there.
    answer: Vec<u8>,
    /// It runs something, or takes no more.
    busy: bool,
    pub(super) scratch: Scratch,
}

/// How a program ended.
pub(super) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It was told to.
    Stopped,
    /// It never began, and that is no fault of its job.
    NotStarted(io::Error),
}

impl Ended {
    /// What it ended with, by itself.
    pub(super) fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Exited(status) => Some(status),
            Self::Stopped | Self::NotStarted(_) => None,
        }
    }
}

impl Supervisor {
    pub(super) fn start(plan: &Plan) -> Result<Self, Error> {
        let scratch = Scratch::new(plan)?;
        Self::try_start(plan, scratch).map_err(|source| cannot_start(plan, source))
    }

    fn try_start(plan: &Plan, scratch: Scratch) -> io::Result<Self> {
        let executable = match &plan.supervisor {
            Some(path) => path.clone(),
            None => own_executable()?,
        };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(executable);
        command.arg(SUPERVISE).arg("--remove").arg(scratch.whole());
        if let Some(directory) = &plan.directory {
            command.arg("--directory").arg(directory);
        }
        if let Some(files) = descriptors::of_programs() {
            command.arg("--open-files").arg(files.to_string());
        }
        command.arg("--").arg(&plan.program).args(&plan.arguments);
        plan.environment.hand_down(&mut command);
        command.env("RAINCHECK_PROGRESS_FD", PROGRESS_FD.to_string());
        for (name, value) in &plan.variables {
            command.env(name, value);
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        // Ctrl-C on a terminal is for the worker, which then drains; it must not end what it waits for.
        command.process_group(0);
        let process = command.spawn()?;
        Ok(Self { process, socket: UnixStream::from_std(ours)?, answer: Vec::new(), busy: false, scratch })
    }

    /// Whether it can take a program.
    pub(super) fn is_free(&mut self) -> bool {
        !self.busy && matches!(self.process.try_wait(), Ok(None))
    }

    /// Starts the program.
    pub(super) async fn run(&mut self, plan: &Plan, facts: &Facts, files: Files) -> Result<Pipes, Error> {
        self.busy = true;
        self.try_run(plan, facts, files).await.map_err(|source| cannot_start(plan, source))
    }

    async fn try_run(&mut self, plan: &Plan, facts: &Facts, files: Files) -> io::Result<Pipes> {
        let (pipes, ends) = Pipes::new(files)?;
        let order = orders::start(facts.beside(&plan.variables))?;
        let ends = ends.each_ref().map(OwnedFd::as_fd);
        let sent = self.socket.async_io(Interest::WRITABLE, || send(&self.socket, &order, &ends)).await?;
        self.socket.write_all(&order[sent..]).await?;
        Ok(pipes)
    }

    /// Waits until all of the program is gone. When the order to stop comes, sends SIGTERM, and SIGKILL after the grace.
    pub(super) async fn wait(&mut self, plan: &Plan, stop: &Stop) -> io::Result<Ended> {
        tokio::select! {
            // One that has ended is not stopped any more.
            biased;
            ended = self.ended() => return ended,
            _ = stop.ordered() => {}
        }
        if !self.busy {
            return Ok(Ended::Stopped);
        }
        // Why it was stopped counts, not how: a supervisor that is gone by now is just not used again.
        self.order(b'T').await;
        let ended = tokio::select! {
            _ = self.ended() => true,
            () = tokio::time::sleep(plan.grace) => false,
            () = plan.hurry.cancelled() => false,
        };
        if !ended {
            self.kill().await;
        }
        Ok(Ended::Stopped)
    }

    /// Ends all of the program at once; returns when it is gone.
    pub(super) async fn kill(&mut self) {
        if !self.busy {
            return;
        }
        self.order(b'K').await;
        if let Err(error) = self.ended().await {
            tracing::warn!(%error, "cannot wait for a stopped program");
        }
    }

    /// Whether the program has ended, without waiting.
    pub(super) fn has_ended(&mut self) -> bool {
        self.ended().now_or_never().is_some()
    }

    /// May be dropped and asked again; answers once.
    pub(super) async fn ended(&mut self) -> io::Result<Ended> {
        loop {
            self.socket.readable().await?;
            let mut bytes = [0; Answer::BYTES];
            let missing = Answer::BYTES - self.answer.len();
            match self.socket.try_read(&mut bytes[..missing]) {
                Ok(0) => {
                    let status = self.process.wait().await?;
                    // It says how a program ended before it ends by itself; killed, it may have left one running.
                    return match status.code() {
                        Some(_) => Ok(Ended::NotStarted(io::Error::other(format!("its supervisor failed: {status}")))),
                        None => Err(io::Error::other(format!("its supervisor ended before it: {status}"))),
                    };
                }
                Ok(read) => self.answer.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if let Ok(bytes) = self.answer.as_slice().try_into() {
                self.answer.clear();
                let answer = Answer::from_bytes(bytes);
                self.busy = !answer.stays;
                return Ok(match answer.end {
                    End::Status(status) => Ended::Exited(ExitStatus::from_raw(status)),
                    End::NotStarted(error) => Ended::NotStarted(io::Error::from_raw_os_error(error)),
                });
            }
        }
    }

    async fn order(&mut self, letter: u8) {
        if let Err(error) = self.socket.write_all(&orders::bare(letter)).await {
            tracing::debug!(%error, "a supervisor is gone");
        }
    }
}

/// What runs here. Its file may have been replaced by a newer one since, and then has no name any more.
fn own_executable() -> io::Result<PathBuf> {
    let named = std::env::current_exe()?;
    Ok(if cfg!(target_os = "linux") && !named.exists() { "/proc/self/exe".into() } else { named })
}

pub(super) fn cannot_start(plan: &Plan, source: io::Error) -> Error {
    Error::io(format!("cannot start `{}`", plan.program.to_string_lossy()), source)
}

/// The descriptors travel with the first byte.
fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>; ENDS]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(ENDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("no room for the descriptors of a program"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}
