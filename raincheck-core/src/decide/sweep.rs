//! What time alone brings: due, expired.

use super::{Draft, Moment};
use crate::command::Change;
use crate::event::EventData;
use crate::failure::{Failure, FailureCode};
use crate::job::Job;
use crate::state::State;
use crate::time::Timestamp;

/// Puts a scheduled job among the ready ones.
pub fn promote(job: Job, moment: &Moment<'_>) -> (Job, Vec<Change>) {
    let mut draft = Draft::of(job);
    let state = draft.wait(0, moment);
    draft.step(state, EventData::Queued, moment.now);
    draft.done(moment)
}

/// Whether a job still waits for its first start, and is too late for it.
pub fn is_late(job: &Job, now: Timestamp) -> bool {
    job.state.is_waiting() && job.attempt == 0 && job.start_by.is_some_and(|by| by <= now)
}

/// Fails a waiting job that was not started in time; `None` when it is not waiting for its first start any more.
pub fn expire(job: Job, moment: &Moment<'_>) -> Option<(Job, Vec<Change>)> {
    let start_by = job.start_by.filter(|_| is_late(&job, moment.now))?;
    let late = moment.now.since(start_by);
    let failure =
        Failure::of(FailureCode::Expired, format!("not started by its start_by; given up {late} ms after it"));
    let mut draft = Draft::of(job);
    draft.changes.push(Change::Failure(draft.job.no, failure.clone()));
    draft.finish(State::Failed, EventData::Failed(failure), moment.now);
    debug_assert_eq!(draft.job.state, State::Failed);
    Some(draft.done(moment))
}
