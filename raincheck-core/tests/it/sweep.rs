//! What time brings: due and expired jobs.

use raincheck_core::decide;
use raincheck_core::interpreter::{Due, Fact, Facts, Needs, carry_out, needs};
use raincheck_core::{Command, Job, Purged, Reply, State, Timestamp, limits};

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

#[test]
fn a_sweep_is_one_decision_a_job_and_leaves_those_that_it_is_not_for() {
    let late = || Job { start_by: Some(NOW), attempt: 0, ..job(State::Queued) };
    let (due, failed, ready) = (job(State::Scheduled), job(State::Failed), job(State::Queued));
    let cases = [
        (Command::Promote(3), Due::Scheduled(3), vec![due.clone(), due], vec!["queued + update(scheduled 0)"; 2]),
        (
            Command::Expire(4),
            Due::Late(4),
            vec![ready.clone(), late()],
            vec!["job-expired + failed + update(queued 0)"],
        ),
        (Command::PurgeExpired(5), Due::Expired(5), vec![failed.clone(), ready, failed], vec!["forget"; 2]),
    ];
    for (command, due, jobs, expected) in cases {
        let asks = Needs { due: Some(due), ..Needs::default() };
        assert_eq!(needs(&command, &Facts::default()), asks);
        assert!(at_now(|moment| carry_out(command.clone(), Facts::default(), moment)).is_err());
        let swept = Reply::Swept(jobs.len(), Purged::default());
        let facts = Facts { due: Fact::Here(jobs), ..Facts::default() };
        assert!(needs(&command, &facts).is_empty());
        let carried = at_now(|moment| carry_out(command, facts, moment)).expect("it knows all");
        let decisions: Vec<String> = [&carried.changes].into_iter().chain(&carried.more).map(|c| words(c)).collect();
        assert_eq!((decisions, carried.reply), (expected.iter().map(|text| text.to_string()).collect(), swept));
    }
    let none = Facts { due: Fact::Here(Vec::new()), ..Facts::default() };
    let carried = at_now(|moment| carry_out(Command::Promote(1), none, moment));
    assert_eq!(carried, Ok(Reply::Swept(0, Purged::default()).into()));
}
