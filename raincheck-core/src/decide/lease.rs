//! A run begins, or lasts longer.

use super::{Draft, Moment};
use crate::command::{Change, Reply};
use crate::event::EventData;
use crate::job::Job;
use crate::lease::LeaseRef;
use crate::limits;
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
    draft.done(moment)
}

/// Gives a run's lease a length that outlives restarts. Not beyond what is left of the job's time limit: whoever is told
/// that it need not report for so long would be stopped before.
pub fn extend(job: Job, run: LeaseRef, ttl: Millis, moment: &Moment<'_>) -> (Reply, Vec<Change>) {
    if !job.is_on(run) {
        return (Reply::LeaseLost(job), Vec::new());
    }
    if ttl <= job.ttl {
        return (Reply::Job(job), Vec::new());
    }
    let spent = job.started_at.map_or(0, |at| moment.now.since(at).max(0));
    if ttl > job.timeout - spent {
        return (Reply::TooLong(job), Vec::new());
    }
    let longer = Job { ttl, ..job };
    let (job, mut changes) = Draft::of(longer).done(moment);
    changes.push(Change::Extend(run, ttl));
    (Reply::Job(job), changes)
}

/// Whether a request is handed one more job: `own` bytes of inputs it has already, `all` have those that are answered with
/// it. Inputs are read into memory, and whoever gets fewer jobs than it asked for asks again.
pub fn may_lease_more(own: usize, all: usize) -> bool {
    own == 0 || own < limits::PAGE_BYTES && all < limits::LEASED_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_bounded_of_one_request_and_of_all_and_nobody_gets_nothing() {
        let (page, most) = (limits::PAGE_BYTES, limits::LEASED_BYTES);
        assert!(may_lease_more(0, 0) && may_lease_more(page - 1, most - 1) && may_lease_more(0, most));
        assert!(!may_lease_more(page, page) && !may_lease_more(1, most));
    }
}
