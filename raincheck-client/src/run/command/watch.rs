//! What the supervisor does about each thing that happens, until nothing of its program is left.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitStatus, kill_process, kill_process_group};

use super::{family::descendants, supervise::Event};

/// From the worker's end to SIGKILL; with the time that dying takes, all is gone within 2 s.
const ORPHAN_GRACE: Duration = Duration::from_millis(1_500);
/// From the program's end to a look at what it left behind.
const REMAINS_LOOK: Duration = Duration::from_millis(20);
/// From SIGTERM to SIGKILL for what it left behind.
const REMAINS_GRACE: Duration = Duration::from_millis(500);
/// SIGKILL is repeated for what was born meanwhile.
const AGAIN: Duration = Duration::from_millis(50);
/// What SIGKILL does not end in so many rounds (a process stuck in the kernel) is left.
const ROUNDS: u32 = 40;

/// The program of a supervisor, from its start to the end of all of it.
pub(super) struct Watch {
    group: Pid,
    /// The program's end, once it has ended.
    status: Option<WaitStatus>,
    /// What it left behind was asked to end.
    asked: bool,
    orphaned: bool,
    data: Option<Sender<Vec<u8>>>,
}

impl Watch {
    pub(super) fn new(group: Pid, data: Option<Sender<Vec<u8>>>) -> Self {
        Self { group, status: None, asked: false, orphaned: false, data }
    }

    /// How the program ended, and whether the worker was gone before it.
    pub(super) fn until_all_gone(mut self, events: &Receiver<Event>) -> (Option<WaitStatus>, bool) {
        let mut deadline: Option<Instant> = None;
        let mut rounds = 0;
        let sooner = |deadline: Option<Instant>, pause: Duration| {
            let then = Instant::now() + pause;
            Some(deadline.map_or(then, |deadline| deadline.min(then)))
        };
        loop {
            let event = match deadline {
                Some(deadline) => events.recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(Event::Term) => self.term(),
                Ok(Event::Kill) => deadline = sooner(deadline, Duration::ZERO),
                Ok(Event::Data(bytes)) => {
                    if let Some(data) = &self.data {
                        // A program that reads no more needs no more.
                        let _ = data.send(bytes);
                    }
                }
                Ok(Event::EndOfData) => self.data = None,
                Ok(Event::Orphaned) => {
                    self.orphaned = true;
                    self.data = None;
                    self.term();
                    deadline = sooner(deadline, ORPHAN_GRACE);
                }
                Ok(Event::Ended(status)) => {
                    self.status = Some(status);
                    // Most programs leave nothing behind, and then all is gone before anyone has to look.
                    deadline = sooner(deadline, REMAINS_LOOK);
                }
                Ok(Event::AllGone) | Err(RecvTimeoutError::Disconnected) => {
                    // Without adoption there may be members that are nobody's children here.
                    if !cfg!(target_os = "linux") {
                        let _ = kill_process_group(self.group, Signal::KILL);
                    }
                    return (self.status, self.orphaned);
                }
                Err(RecvTimeoutError::Timeout) if self.status.is_some() && !self.asked && !self.orphaned => {
                    self.term();
                    deadline = Some(Instant::now() + REMAINS_GRACE);
                }
                Err(RecvTimeoutError::Timeout) if rounds < ROUNDS => {
                    self.signal(Signal::KILL, true);
                    rounds += 1;
                    deadline = Some(Instant::now() + AGAIN);
                }
                Err(RecvTimeoutError::Timeout) => return (self.status, self.orphaned),
            }
        }
    }

    fn term(&mut self) {
        self.asked |= self.status.is_some();
        self.signal(Signal::TERM, false);
    }

    /// A group's id is its own only until its first process is reaped; after that its members are looked up.
    /// Who is gone already needs no signal.
    fn signal(&self, signal: Signal, all: bool) {
        let led = self.status.is_none();
        if led || !cfg!(target_os = "linux") {
            let _ = kill_process_group(self.group, signal);
        }
        if all || !led {
            for pid in descendants() {
                let _ = kill_process(pid, signal);
            }
        }
    }
}
