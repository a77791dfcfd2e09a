use super::{Draft, Moment};
use crate::command::Change;
use crate::event::EventData;
use crate::job::Job;
use crate::state::State;
use crate::time::Millis;

/// Hands a ready job to `worker` for `ttl` milliseconds. The attempt is counted before the worker hears of it,
/// so that a job that kills its worker is counted too.
pub fn lease(job: Job, worker: &str, ttl: Millis, moment: &Moment<'_>) -> (Job, Vec<Change>) {
    let mut draft = Draft::of(job);
    draft.job.attempt += 1;
    draft.job.ttl = ttl;
    draft.job.started_at = Some(moment.now);
    draft.step(State::Running, EventData::Started { worker: worker.into() }, moment.now);
    draft.done()
}
