//! What happens to a supervisor while its program runs, one thing at a time and without threads.

use std::{
    io::{self, Read as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, WaitOptions, WaitStatus, wait},
};

use super::orders::{self, Order};

/// What happened.
pub(super) enum Event {
    Term,
    Kill,
    /// The worker is gone, however it died.
    Orphaned,
    /// The program ended; what it left behind may not have.
    Ended(WaitStatus),
    /// No child is left.
    AllGone,
    /// The deadline came first.
    Late,
}

/// Where it is learned.
pub(super) struct Events {
    socket: UnixStream,
    /// A byte comes in for every SIGCHLD.
    signals: UnixStream,
    /// A child may have ended that was not collected.
    uncollected: bool,
    orphaned: bool,
}

impl Events {
    /// Standard input is the socket to the worker.
    pub(super) fn listen() -> io::Result<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let (signals, sender) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, sender)?;
        Ok(Self { socket, signals, uncollected: false, orphaned: false })
    }

    /// The socket to the worker.
    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Waits for so long at most; false as soon as the worker orders something or is gone, which is still to be read.
    pub(super) fn is_quiet(&self, pause: Duration) -> bool {
        let mut socket = [PollFd::new(&self.socket, PollFlags::IN)];
        !matches!(poll(&mut socket, Timespec::try_from(pause).ok().as_ref()), Ok(1..))
    }

    /// Waits for the next thing. Collects the program and every orphan of it.
    pub(super) fn next(&mut self, program: Pid, deadline: Option<Instant>) -> Event {
        loop {
            while self.uncollected {
                match wait(WaitOptions::NOHANG) {
                    Ok(Some((pid, status))) if pid == program => return Event::Ended(status),
                    Ok(Some(_)) | Err(Errno::INTR) => {}
                    Ok(None) => self.uncollected = false,
                    Err(_) => {
                        self.uncollected = false;
                        return Event::AllGone;
                    }
                }
            }
            let mut sources = [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.socket, PollFlags::IN)];
            // A socket that came to its end would be ready for ever.
            let heard = if self.orphaned { &mut sources[..1] } else { &mut sources[..] };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            if poll(heard, left.as_ref()) == Ok(0) {
                return Event::Late;
            }
            let [signaled, ordered] = sources.map(|source| !source.revents().is_empty());
            if signaled {
                // Full or empty, it says the same.
                while matches!((&self.signals).read(&mut [0; 64]), Ok(64)) {}
                self.uncollected = true;
            } else if ordered {
                match orders::read(&self.socket) {
                    Some(Order::Term) => return Event::Term,
                    Some(Order::Kill) => return Event::Kill,
                    // Who orders a second program meanwhile does not speak this language.
                    Some(Order::Start(_)) | None => {
                        self.orphaned = true;
                        return Event::Orphaned;
                    }
                }
            }
        }
    }
}
