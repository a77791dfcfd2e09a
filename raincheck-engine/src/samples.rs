//! Jobs and events for the tests of this crate.

use raincheck_core::decide::{Moment, SubmitFacts, submit};
use raincheck_core::{Cursor, Event, EventData, Job, JobId, JobNo, Name, NewJob, State, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// The time at which everything here happens.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// An event of job `no` in queue `q`, kind `k`; its cursor is ten times its number.
pub(crate) fn event(no: i64, seq: u32, state: State) -> Event {
    Event {
        cursor: Cursor(i64::from(seq) * 10),
        seq,
        no: JobNo(no),
        job: JobId::from_parts(JobNo(no), 0),
        queue: name("q"),
        kind: name("k"),
        state,
        attempt: 1,
        at: NOW,
        data: EventData::Queued,
    }
}

/// A job submitted at [`NOW`] as the `ticket`-th of queue `q`, kind `k`.
pub(crate) fn job(state: State, ticket: i64) -> Job {
    let mut facts = SubmitFacts::default();
    (facts.queue.max_queued, facts.queue.max_in_all, facts.queue.next_ticket) = (10, 10, ticket);
    let mut rng = StdRng::seed_from_u64(0);
    let mut moment = Moment { now: NOW, tick: NOW.0, rng: &mut rng, follow: None };
    let fresh = (JobNo(1), JobId::from_parts(JobNo(1), 0));
    let (submitted, _) = submit(NewJob::new(name("q"), name("k")), facts, fresh, &mut moment).unwrap();
    Job { state, ..submitted.job().clone() }
}
