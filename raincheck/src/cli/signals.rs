//! What the system tells a running program: stop, stop now, read your settings again, your terminal is gone.

use std::{
    fs::File,
    io,
    os::unix::net::UnixStream as Socket,
    sync::{Mutex, PoisonError},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    low_level::pipe,
};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

use super::{exit::Failure, stderr};

/// Those of a program that has not begun yet.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// Begins to hold signals, so that none of them ends the program by itself any more. One that comes before
/// [`Signals::listen`] is told first thing there.
///
/// # Errors
/// When the system does not let it.
pub fn hold() -> io::Result<()> {
    let held = Held::new()?;
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    Ok(())
}

/// A byte for each signal.
struct Held {
    stop: Socket,
    hangup: Socket,
    has_terminal: bool,
    is_ignored: bool,
}

impl Held {
    fn new() -> io::Result<Self> {
        let (has_terminal, is_ignored) = (has_terminal(), is_ignored(SIGHUP));
        let (stop, told) = Socket::pair()?;
        pipe::register(SIGTERM, told.try_clone()?)?;
        pipe::register(SIGINT, told)?;
        let (hangup, told) = Socket::pair()?;
        pipe::register(SIGHUP, told)?;
        Ok(Self { stop, hangup, has_terminal, is_ignored })
    }
}

/// Signals from now on, and those that were held.
pub struct Signals {
    stop: UnixStream,
    hangup: UnixStream,
    has_terminal: bool,
    /// Whoever started the program wants it to outlive its terminal: `nohup`.
    is_ignored: bool,
    /// It was told to.
    is_stopping: bool,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGTERM or SIGINT.
    Stop,
    /// The terminal that the program was started on is gone; told once.
    Gone,
    /// SIGHUP that says nothing of a terminal.
    Reload,
}

impl Signals {
    /// Begins to listen. From now on nothing waits for standard error either, as nothing else would end such a wait.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen() -> Result<Self, Failure> {
        let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Held { stop, hangup, has_terminal, is_ignored } = match held {
            Some(held) => held,
            None => Held::new()?,
        };
        stderr::never_wait();
        let (stop, hangup) = (stream(stop)?, stream(hangup)?);
        Ok(Self { stop, hangup, has_terminal, is_ignored, is_stopping: false })
    }

    /// The next one.
    pub async fn next(&mut self) -> Order {
        let order = tokio::select! {
            () = byte(&mut self.stop) => Order::Stop,
            () = byte(&mut self.hangup) => match self.has_terminal && !has_terminal() {
                true => {
                    self.has_terminal = false;
                    if self.is_ignored { Order::Reload } else { Order::Gone }
                }
                false => Order::Reload,
            },
        };
        self.is_stopping |= order != Order::Reload;
        order
    }

    /// The next order to stop. To a program without settings SIGHUP is one, too, unless whoever started it had that ignored;
    /// but never a second one, as a terminal that goes away says so more than once.
    pub async fn stop(&mut self) {
        loop {
            let is_first = !self.is_stopping;
            match self.next().await {
                Order::Stop => return,
                Order::Gone if is_first => return,
                Order::Reload if is_first && !self.is_ignored => {
                    self.is_stopping = true;
                    return;
                }
                Order::Gone | Order::Reload => {}
            }
        }
    }
}

fn stream(held: Socket) -> io::Result<UnixStream> {
    held.set_nonblocking(true)?;
    UnixStream::from_std(held)
}

/// The other end is never closed.
async fn byte(stream: &mut UnixStream) {
    if stream.read_u8().await.is_err() {
        std::future::pending().await
    }
}

/// Whether the process has a terminal that can be used: it loses one that is closed.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether whoever started this program has it ignore the signal; where the system does not say, it is not.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// Without a runtime, which is there some milliseconds later, and would hear only what comes then.
    #[test]
    fn a_signal_of_the_first_instant_is_told_later() {
        hold().unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            assert_eq!(signals.next().await, Order::Stop);
            kill_process(getpid(), Signal::INT).unwrap();
            signals.stop().await;
        });
    }
}
