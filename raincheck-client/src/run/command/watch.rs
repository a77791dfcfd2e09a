//! What the supervisor does about each thing that happens, until nothing of its program is left.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitStatus, kill_process, kill_process_group};

use super::{
    events::{Event, Events},
    family::descendants,
};

/// From the worker's end to SIGKILL; with the time that dying takes, all is gone within 2 s.
const ORPHAN_GRACE: Duration = Duration::from_millis(1_500);
/// From the program's end to a look at what it left behind.
const REMAINS_POLL_INTERVAL: Duration = Duration::from_millis(20);
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
}

/// How it ended.
pub(super) struct End {
    /// The program's own; `None` if it could not be ended.
    pub(super) status: Option<WaitStatus>,
    /// The worker was gone before.
    pub(super) orphaned: bool,
    /// Nothing is left.
    pub(super) all_gone: bool,
}

impl Watch {
    pub(super) fn new(group: Pid) -> Self {
        Self { group, status: None, asked: false, orphaned: false }
    }

    pub(super) fn until_all_gone(mut self, events: &mut Events) -> End {
        let mut deadline: Option<Instant> = None;
        let mut rounds = 0;
        let sooner = |deadline: Option<Instant>, pause: Duration| {
            let then = Instant::now() + pause;
            Some(deadline.map_or(then, |deadline| deadline.min(then)))
        };
        loop {
            match events.next(self.group, deadline) {
                Event::Term => self.term(),
                Event::Kill => deadline = sooner(deadline, Duration::ZERO),
                Event::Orphaned => {
                    self.orphaned = true;
                    self.term();
                    deadline = sooner(deadline, ORPHAN_GRACE);
                }
                Event::Ended(status) => {
                    self.status = Some(status);
                    // Most programs leave nothing behind, and then all is gone before anyone has to look.
                    deadline = sooner(deadline, REMAINS_POLL_INTERVAL);
                }
                Event::AllGone => {
                    // Without adoption there may be members that are nobody's children here.
                    if !cfg!(target_os = "linux") {
                        let _ = kill_process_group(self.group, Signal::KILL);
                    }
                    return self.end(true);
                }
                Event::Late if self.status.is_some() && !self.asked && !self.orphaned => {
                    self.term();
                    deadline = Some(Instant::now() + REMAINS_GRACE);
                }
                Event::Late if rounds < ROUNDS => {
                    self.signal(Signal::KILL, true);
                    rounds += 1;
                    deadline = Some(Instant::now() + AGAIN);
                }
                Event::Late => return self.end(false),
            }
        }
    }

    fn end(self, all_gone: bool) -> End {
        End { status: self.status, orphaned: self.orphaned, all_gone }
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
