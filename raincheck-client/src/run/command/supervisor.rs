//! A supervising process, seen from the worker, and those that wait for the next program.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

use rustix::{
    cmsg_space,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::UnixStream,
    process::{Child as Process, Command},
};

use super::{
    PROGRESS_FD, Plan, descriptors,
    facts::{self, Facts},
    orders::{self, Answer, ENDS},
    supervise::SUPERVISE,
};

/// The supervisors of one plan that have nothing to do; as many as ran at once.
#[derive(Default)]
pub(super) struct Supervisors {
    idle: Mutex<Vec<Supervisor>>,
}

/// A supervising process. Dropping it ends it, and whatever it runs within 2 s.
pub(super) struct Supervisor {
    process: Process,
    /// Orders go in, answers come out; its end is the order to end all.
    socket: UnixStream,
    /// The part of an answer that is there.
    answer: Vec<u8>,
}

impl Supervisors {
    /// One that waits, or a new one.
    pub(super) fn take(&self, plan: &Plan) -> io::Result<Supervisor> {
        if let Ok(mut idle) = self.idle.lock() {
            while let Some(mut supervisor) = idle.pop() {
                if matches!(supervisor.process.try_wait(), Ok(None)) {
                    return Ok(supervisor);
                }
                tracing::warn!(program = ?plan.program, "an idle supervisor was ended from outside; another one is started");
            }
        }
        Supervisor::start(plan)
    }

    pub(super) fn put(&self, supervisor: Supervisor) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(supervisor);
        }
    }
}

impl Supervisor {
    fn start(plan: &Plan) -> io::Result<Self> {
        let executable = match &plan.supervisor {
            Some(path) => path.clone(),
            None => std::env::current_exe()?,
        };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(executable);
        command.arg(SUPERVISE);
        if let Some(directory) = &plan.directory {
            command.arg("--directory").arg(directory);
        }
        if let Some(files) = descriptors::of_programs() {
            command.arg("--open-files").arg(files.to_string());
        }
        command.arg("--").arg(&plan.program).args(&plan.arguments);
        facts::hide(&mut command);
        command.env("RAINCHECK_PROGRESS_FD", PROGRESS_FD.to_string());
        for (name, value) in &plan.variables {
            command.env(name, value);
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        // Ctrl-C on a terminal is for the worker, which then drains; it must not end what it waits for.
        command.process_group(0);
        let process = command.spawn()?;
        Ok(Self { process, socket: UnixStream::from_std(ours)?, answer: Vec::new() })
    }

    /// Has the program started; `ends` are its standard input, output and error, and where it writes its progress.
    pub(super) async fn run(
        &mut self,
        plan: &Plan,
        facts: &Facts,
        scratch: &Path,
        ends: [OwnedFd; ENDS],
    ) -> io::Result<()> {
        let order = orders::start(scratch, facts.beside(&plan.variables))?;
        let ends = ends.each_ref().map(OwnedFd::as_fd);
        let sent = self.socket.async_io(Interest::WRITABLE, || send(&self.socket, &order, &ends)).await?;
        self.socket.write_all(&order[sent..]).await
    }

    /// Ends the program: SIGTERM to its group, and SIGKILL after the grace.
    pub(super) async fn stop(&mut self, grace: Duration) -> io::Result<Answer> {
        self.order(b'T').await;
        if let Ok(answer) = tokio::time::timeout(grace, self.answer()).await {
            return answer;
        }
        self.order(b'K').await;
        self.answer().await
    }

    /// Sends an order. A supervisor that is gone hears nothing, and needs not.
    async fn order(&mut self, letter: u8) {
        if let Err(error) = self.socket.write_all(&orders::bare(letter)).await {
            tracing::debug!(%error, "a supervisor is gone");
        }
    }

    /// Waits until all of the program is gone. May be dropped and asked again.
    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            self.socket.readable().await?;
            let mut bytes = [0; Answer::BYTES];
            let missing = Answer::BYTES - self.answer.len();
            match self.socket.try_read(&mut bytes[..missing]) {
                Ok(0) => {
                    let status = self.process.wait().await?;
                    return Err(io::Error::other(format!("its supervisor ended before it: {status}")));
                }
                Ok(read) => self.answer.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if let Ok(bytes) = self.answer.as_slice().try_into() {
                self.answer.clear();
                return Ok(Answer::from_bytes(bytes));
            }
        }
    }
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
