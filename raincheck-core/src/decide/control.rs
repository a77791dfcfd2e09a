use super::{Draft, Moment};
use crate::command::{Change, Reply};
use crate::event::EventData;
use crate::failure::{Failure, FailureCode};
use crate::job::{Job, Method};
use crate::state::State;

/// Calls a job off: at once while it waits, by asking its worker while it runs.
pub fn cancel(job: Job, force: bool, moment: &Moment<'_>) -> (Reply, Vec<Change>) {
    if job.state == State::Canceled || (job.state == State::Running && job.cancel_requested) {
        return (Reply::Job(job), Vec::new());
    }
    if job.state.is_final() {
        return (Reply::Finished(job), Vec::new());
    }
    if job.shared > 1 && !force {
        return (Reply::Shared(job), Vec::new());
    }
    let mut draft = Draft::of(job);
    if draft.job.state == State::Running {
        draft.job.cancel_requested = true;
        draft.step(State::Running, EventData::CancelRequested, moment.now);
    } else {
        let failure = Failure::of(FailureCode::Canceled, "canceled before it ran");
        draft.changes.push(Change::Failure(draft.job.no, failure));
        draft.finish(State::Canceled, EventData::Canceled, moment.now);
    }
    let (job, changes) = draft.done(moment);
    (Reply::Job(job), changes)
}

/// Makes a job that waits for a time due now.
pub fn run_now(job: Job, moment: &Moment<'_>) -> (Reply, Vec<Change>) {
    if job.state != State::Scheduled {
        return (Reply::NotWaiting(job), Vec::new());
    }
    let (job, changes) = super::promote(job, moment);
    (Reply::Job(job), changes)
}

/// Only finished jobs are forgotten.
pub fn may_purge(job: &Job) -> bool {
    job.state.is_final()
}

/// Whether a job may be run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// Yes.
    Allowed,
    /// It is not final yet.
    NotFinished,
    /// It changed state once and must not do so twice, unless forced.
    Done,
}

/// Whether a job may be run again, as a new job.
pub fn may_rerun(job: &Job, force: bool) -> Rerun {
    if !job.state.is_final() {
        Rerun::NotFinished
    } else if job.state == State::Succeeded && job.method == Method::Post && !force {
        Rerun::Done
    } else {
        Rerun::Allowed
    }
}
