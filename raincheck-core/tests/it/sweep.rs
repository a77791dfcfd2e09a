//! What time brings: due and expired jobs.

use raincheck_core::decide;
use raincheck_core::{Job, State, Timestamp, limits};

use crate::make::{NOW, at_now, job, words};

#[test]
fn promote_queues_what_is_due_behind_what_is_ready() {
    for priority in [-100, 0, 7, 100] {
        let before = Job { priority, ..job(State::Scheduled) };
        let (after, changes) = at_now(|moment| decide::promote(before.clone(), moment));
        assert_eq!((after.state, after.run_at), (State::Queued, NOW));
        assert_eq!(after.rank, NOW.0 - i64::from(priority) * limits::PRIORITY_STEP_MILLIS);
        assert_eq!((after.seq, after.attempt, after.failures), (before.seq + 1, before.attempt, before.failures));
        assert_eq!(words(&changes), "queued + update(scheduled 0)");
    }
}

#[test]
fn expire_takes_waiting_jobs_past_their_time_before_their_first_start() {
    for state in State::ALL {
        for attempt in [0, 1] {
            for start_by in [None, Some(NOW.plus(-1)), Some(NOW), Some(NOW.plus(1))] {
                let before = Job { attempt, start_by, ..job(state) };
                let late = start_by.is_some_and(|at| at <= NOW);
                let expired = at_now(|moment| decide::expire(before.clone(), moment));
                let Some((after, changes)) = expired else {
                    assert!(!(late && attempt == 0 && state.is_waiting()), "{before:?}");
                    continue;
                };
                assert!(late && attempt == 0 && state.is_waiting(), "{before:?}");
                assert_eq!((after.state, after.finished_at, after.seq), (State::Failed, Some(NOW), before.seq + 1));
                assert_eq!(words(&changes), format!("job-expired + failed + update({} 0)", state.as_str()));
            }
        }
    }
}

#[test]
fn a_far_future_is_within_range() {
    let before = Job { run_at: Timestamp(i64::MAX), priority: -100, ..job(State::Scheduled) };
    let (after, _) = at_now(|moment| decide::promote(before, moment));
    assert_eq!(after.run_at, NOW);
}
