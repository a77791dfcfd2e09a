//! The rules: one pure function per command, from facts to changes.
//!
//! Each takes the facts it needs as arguments and answers with the writes and the reply; [`crate::interpreter`] calls it
//! with those that a store has looked up.

mod append;
mod check_changes;
mod control;
mod lease;
mod settle;
mod submit;
mod sweep;

pub use append::may_append;
pub use check_changes::check_changes;
pub use control::{Rerun, cancel, may_purge, may_rerun, run_now};
pub use lease::{extend, lease, may_lease_more};
pub use settle::{Settled, progress, settle};
pub use submit::{Known, SubmitFacts, submit};
pub use sweep::{expire, is_late, promote};

use rand::Rng;

use crate::command::Change;
use crate::event::{Cursor, Event, EventData};
use crate::interpreter::FollowRule;
use crate::job::Job;
use crate::lease::LeaseRef;
use crate::state::State;
use crate::time::{Millis, Timestamp};

/// What a decision depends on besides facts.
pub struct Moment<'a> {
    /// The wall clock of the store, read once for the whole transaction.
    pub now: Timestamp,
    /// The queue's clock: as the wall clock, but never going back; ranks come from it.
    pub tick: Millis,
    /// Randomness for new ids and for the jitter of retries.
    pub rng: &'a mut dyn Rng,
    /// What follows when a job ends, beside what the rules say: for tests.
    pub follow: Option<FollowRule>,
}

impl Job {
    /// The run this job is on.
    pub fn lease_ref(&self) -> LeaseRef {
        LeaseRef { no: self.no, attempt: self.attempt }
    }

    /// Since when it has been ready, of one that is or was; a client may have asked for a time that was over then.
    pub fn ready_at(&self) -> Timestamp {
        ready_at(self.run_at, self.created_at)
    }

    /// Whether that run is under way.
    pub fn is_on(&self, run: LeaseRef) -> bool {
        self.state == State::Running && self.lease_ref() == run
    }
}

/// Since when a job has been ready that is not to run before `run_at` and was submitted at `created_at`.
pub fn ready_at(run_at: Timestamp, created_at: Timestamp) -> Timestamp {
    run_at.max(created_at)
}

/// A job being changed: collects its events, and at the end the guarded write.
struct Draft {
    state: State,
    attempt: u32,
    job: Job,
    changes: Vec<Change>,
}

impl Draft {
    fn of(job: Job) -> Self {
        Draft { state: job.state, attempt: job.attempt, job, changes: Vec::with_capacity(4) }
    }

    /// Moves to `state` and records `data` as the next event.
    fn step(&mut self, state: State, data: EventData, now: Timestamp) {
        debug_assert!(state == self.job.state || self.job.state.may_become(state), "{:?} -> {state:?}", self.job.state);
        self.job.state = state;
        self.job.seq += 1;
        self.job.updated_at = now;
        self.changes.push(Change::Event(event(&self.job, data, now)));
    }

    /// Ends the job for good.
    fn finish(&mut self, state: State, data: EventData, now: Timestamp) {
        let keep = if state == State::Succeeded { self.job.retention.succeeded } else { self.job.retention.failed };
        self.job.finished_at = Some(now);
        self.job.expires_at = Some(now.plus(keep));
        self.step(state, data, now);
    }

    /// Puts the job among the ready ones, or among those that wait for `delay` milliseconds to pass.
    fn wait(&mut self, delay: Millis, moment: &Moment<'_>) -> State {
        self.job.run_at = moment.now.plus(delay);
        if delay > 0 {
            return State::Scheduled;
        }
        self.job.rank = crate::rank(moment.tick, self.job.priority);
        State::Queued
    }

    /// Puts the job back among the ready ones, in its old place.
    fn back(&mut self, moment: &Moment<'_>) -> State {
        self.job.run_at = moment.now;
        State::Queued
    }

    fn done(mut self, moment: &Moment<'_>) -> (Job, Vec<Change>) {
        let job = self.job.clone();
        self.changes.push(Change::Update { state: self.state, attempt: self.attempt, job: Box::new(self.job) });
        if let Some(follow) = moment.follow.filter(|_| job.state.is_final()) {
            self.changes.extend(follow(&job).map(Change::FollowUp));
        }
        (job, self.changes)
    }
}

fn event(job: &Job, data: EventData, now: Timestamp) -> Event {
    Event {
        cursor: Cursor::default(),
        seq: job.seq,
        no: job.no,
        job: job.id,
        queue: job.queue.clone(),
        kind: job.kind.clone(),
        state: job.state,
        attempt: job.attempt,
        at: now,
        data,
    }
}
