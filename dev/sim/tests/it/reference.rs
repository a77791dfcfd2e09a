//! The contract on one page: what becomes of jobs, without a store, events, or any rule of the core.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

/// Length of every lease, milliseconds.
pub const TTL: i64 = 5_000;
/// Failed attempts a job has.
pub const ATTEMPTS: u32 = 2;

/// What may happen. Jobs are meant by the order in which they were made, round and round.
#[derive(Clone, Debug)]
pub enum Move {
    Submit {
        key: Option<u8>,
        content: u8,
    },
    Lease,
    /// A worker says how a run ended: the present one, or one before it.
    Finish {
        job: usize,
        late: bool,
        end: End,
    },
    Beat {
        job: usize,
    },
    /// The sweep says that a run is lost, rightly or not.
    Lose {
        job: usize,
    },
    Cancel {
        job: usize,
    },
    Pass {
        by: i64,
    },
    /// The wall clock is set.
    Jump {
        by: i64,
    },
    Restart,
}

/// How a run ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Complete,
    Fail,
    Release,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Queued,
    Running,
    Succeeded,
    Failed,
    Canceled,
}

#[derive(Clone, Debug)]
pub struct Job {
    pub status: Status,
    pub attempt: u32,
    pub failures: u32,
    pub losses: u32,
    pub stopping: bool,
    key: Option<(u8, u8)>,
    /// Its place in the line: when it was queued.
    since: i64,
    until: i64,
}

/// Every job, and the time: monotonic, and the line's, which follows the wall clock but never back while a server runs.
#[derive(Clone, Debug)]
pub struct Reference {
    pub jobs: Vec<Job>,
    ticks: i64,
    wall: i64,
    /// What the store takes the wall clock for: it never goes back.
    now: i64,
    line: i64,
    /// The time in the newest number, and in the newest that a job was given: what a restart goes on from.
    minted: i64,
    newest: i64,
}

impl Reference {
    /// Which job is meant.
    pub fn which(&self, job: usize) -> Option<usize> {
        (!self.jobs.is_empty()).then(|| job % self.jobs.len())
    }

    /// The job that is leased next.
    fn first(&self) -> Option<usize> {
        let queued = (0..self.jobs.len()).filter(|at| self.jobs[*at].status == Status::Queued);
        queued.min_by_key(|at| (self.jobs[*at].since, *at))
    }

    fn running(&mut self, job: usize) -> Option<&mut Job> {
        let at = self.which(job)?;
        Some(&mut self.jobs[at]).filter(|job| job.status == Status::Running)
    }
}

impl ReferenceStateMachine for Reference {
    type State = Reference;
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Reference> {
        Just(Reference {
            jobs: Vec::new(),
            ticks: 0,
            wall: 0,
            now: 0,
            line: i64::MIN,
            minted: i64::MIN,
            newest: i64::MIN,
        })
        .boxed()
    }

    fn transitions(_: &Reference) -> BoxedStrategy<Move> {
        let end = prop_oneof![Just(End::Complete), Just(End::Fail), Just(End::Release)];
        let job = || 0..8_usize;
        prop_oneof![
            3 => (prop::option::of(0..3_u8), 0..2_u8).prop_map(|(key, content)| Move::Submit { key, content }),
            4 => Just(Move::Lease),
            4 => (job(), prop::bool::weighted(0.3), end).prop_map(|(job, late, end)| Move::Finish { job, late, end }),
            1 => job().prop_map(|job| Move::Beat { job }),
            3 => job().prop_map(|job| Move::Lose { job }),
            1 => job().prop_map(|job| Move::Cancel { job }),
            2 => (0..2 * TTL).prop_map(|by| Move::Pass { by }),
            1 => (-2 * TTL..2 * TTL).prop_map(|by| Move::Jump { by }),
            1 => Just(Move::Restart),
        ]
        .boxed()
    }

    fn apply(mut state: Reference, step: &Move) -> Reference {
        let now = state.ticks;
        // The line's time goes on whenever something is decided.
        let decided = match step {
            Move::Submit { .. } => true,
            Move::Lease => state.first().is_some(),
            Move::Finish { .. } | Move::Cancel { .. } => !state.jobs.is_empty(),
            Move::Lose { job } => state.running(*job).is_some_and(|job| job.until <= now),
            Move::Beat { .. } | Move::Pass { .. } | Move::Jump { .. } | Move::Restart => false,
        };
        if decided {
            state.line = state.line.max(state.now);
        }
        let line = state.line;
        match *step {
            Move::Submit { key, content } => {
                let known = key.is_some() && state.jobs.iter().any(|job| job.key.map(|(key, _)| key) == key);
                state.minted = state.minted.max(state.now);
                if !known {
                    state.newest = state.minted;
                    let key = key.map(|key| (key, content));
                    let status = Status::Queued;
                    state.jobs.push(Job {
                        status,
                        attempt: 0,
                        failures: 0,
                        losses: 0,
                        stopping: false,
                        key,
                        since: line,
                        until: 0,
                    });
                }
            }
            Move::Lease => {
                if let Some(first) = state.first() {
                    let job = &mut state.jobs[first];
                    (job.status, job.attempt, job.until) = (Status::Running, job.attempt + 1, now + TTL);
                }
            }
            Move::Finish { job, late: false, end } => {
                if let Some(job) = state.running(job) {
                    job.finish(end, line);
                }
            }
            Move::Finish { late: true, .. } => {}
            Move::Beat { job } => {
                if let Some(job) = state.running(job) {
                    job.until = now + TTL;
                }
            }
            Move::Lose { job } => {
                if let Some(job) = state.running(job).filter(|job| job.until <= now) {
                    job.lose();
                }
            }
            Move::Cancel { job } => {
                if let Some(at) = state.which(job) {
                    let job = &mut state.jobs[at];
                    match job.status {
                        Status::Queued => job.status = Status::Canceled,
                        Status::Running => job.stopping = true,
                        Status::Succeeded | Status::Failed | Status::Canceled => {}
                    }
                }
            }
            Move::Pass { by } => {
                state.ticks += by;
                state.wall += by;
                state.now += by;
            }
            Move::Jump { by } => {
                state.wall += by;
                state.now = state.now.max(state.wall);
            }
            Move::Restart => {
                (state.line, state.minted) = (state.newest, state.newest);
                for job in state.jobs.iter_mut().filter(|job| job.status == Status::Running) {
                    job.until = now + TTL;
                }
            }
        }
        state
    }
}

impl Job {
    fn again(&mut self, line: i64) {
        (self.status, self.since) = (Status::Queued, line);
    }

    fn finish(&mut self, end: End, line: i64) {
        match end {
            End::Complete => (self.status, self.losses) = (Status::Succeeded, 0),
            _ if self.stopping => self.status = Status::Canceled,
            End::Fail => {
                (self.failures, self.losses) = (self.failures + 1, 0);
                if self.failures < ATTEMPTS { self.again(line) } else { self.status = Status::Failed }
            }
            End::Release => {
                self.losses = 0;
                self.again(line);
            }
        }
    }

    fn lose(&mut self) {
        if self.stopping {
            self.status = Status::Canceled;
            return;
        }
        self.losses += 1;
        // Back in its old place.
        self.status = if self.losses < 3 { Status::Queued } else { Status::Failed };
    }
}
