use super::{Draft, Moment};
use crate::command::Change;
use crate::event::EventData;
use crate::job::Job;
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
    draft.done()
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
