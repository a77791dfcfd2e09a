//! Calling off, running now, running again, leasing.

use std::fmt::Write;

use raincheck_core::decide::{self, Rerun};
use raincheck_core::{Change, Job, Method, Reply, State};

use crate::make::{NOW, at_now, job, stands, words};

fn answer(reply: &Reply) -> (&'static str, &Job) {
    match reply {
        Reply::Job(job) => ("job", job),
        Reply::Finished(job) => ("finished", job),
        Reply::Shared(job) => ("shared", job),
        Reply::NotWaiting(job) => ("not waiting", job),
        other => panic!("{other:?}"),
    }
}

fn canceled(situation: impl Fn(&mut Job), force: bool) -> String {
    let mut table = String::new();
    for state in State::ALL {
        let mut before = job(state);
        situation(&mut before);
        let (reply, changes) = at_now(|moment| decide::cancel(before.clone(), force, moment));
        let (word, after) = answer(&reply);
        assert!(!changes.is_empty() || *after == before);
        let _ = writeln!(table, "{}: {word} {}; {}", state.as_str(), stands(after), words(&changes));
    }
    table
}

const CANCELED: &str = "scheduled: job canceled; job-canceled + canceled + update(scheduled 0)\n\
    queued: job canceled; job-canceled + canceled + update(queued 0)\n\
    blocked: job canceled; job-canceled + canceled + update(blocked 0)\n\
    running: job running; cancel_requested + update(running 1)\n\
    succeeded: finished succeeded; \n\
    failed: finished failed; \n\
    canceled: job canceled; \n";

#[test]
fn cancel() {
    assert_eq!(canceled(|_| {}, false), CANCELED);
    assert_eq!(canceled(|_| {}, true), CANCELED);
    assert_eq!(canceled(|job| job.shared = 2, true), CANCELED);
}

#[test]
fn cancel_what_others_share() {
    assert_eq!(
        canceled(|job| (job.shared, job.run_at) = (2, NOW), false),
        "scheduled: shared scheduled 0 ms; \n\
         queued: shared queued; \n\
         blocked: shared blocked; \n\
         running: shared running; \n\
         succeeded: finished succeeded; \n\
         failed: finished failed; \n\
         canceled: job canceled; \n"
    );
}

#[test]
fn cancel_what_was_asked_to_stop() {
    for shared in [1, 2] {
        let rows = canceled(|job| (job.cancel_requested, job.shared) = (job.state == State::Running, shared), false);
        assert!(rows.contains("running: job running; \n"), "{rows}");
    }
}

#[test]
fn run_now() {
    for state in State::ALL {
        let before = job(state);
        let (reply, changes) = at_now(|moment| decide::run_now(before.clone(), moment));
        if state == State::Scheduled {
            let ("job", after) = answer(&reply) else { panic!("{reply:?}") };
            assert_eq!((after.state, after.run_at, after.rank), (State::Queued, NOW, NOW.0));
            assert_eq!(words(&changes), "queued + update(scheduled 0)");
        } else {
            assert_eq!((reply, changes), (Reply::NotWaiting(before), Vec::new()));
        }
    }
}

#[test]
fn rerun_and_purge() {
    for state in State::ALL {
        for method in [Method::Get, Method::Post] {
            let job = Job { method, ..job(state) };
            let expected = |force: bool| match (state.is_final(), state, method) {
                (false, ..) => Rerun::NotFinished,
                (true, State::Succeeded, Method::Post) if !force => Rerun::Done,
                _ => Rerun::Allowed,
            };
            for force in [false, true] {
                assert_eq!(decide::may_rerun(&job, force), expected(force), "{state:?} {method:?} {force}");
            }
            assert_eq!(decide::may_purge(&job), state.is_final());
        }
    }
}

#[test]
fn lease() {
    let before = Job { attempt: 3, failures: 1, losses: 2, ..job(State::Queued) };
    let (after, changes) = at_now(|moment| decide::lease(before.clone(), "w", 5_000, moment));
    let expected =
        Job { state: State::Running, attempt: 4, ttl: 5_000, seq: 3, started_at: Some(NOW), updated_at: NOW, ..before };
    assert_eq!(after, expected, "counted before the worker hears of it, and nothing else changes");
    assert_eq!(words(&changes), "started + update(queued 3)");
    let Some(Change::Event(event)) = changes.first() else { panic!("{changes:?}") };
    assert_eq!((event.seq, event.attempt, event.state), (3, 4, State::Running));
}

#[test]
fn a_run_is_handed_over_within_its_time() {
    let running = Job { started_at: Some(NOW), ..job(State::Running) };
    let run = running.lease_ref();
    let extend = |job: &Job, ttl| at_now(|moment| decide::extend(job.clone(), run, ttl, moment));
    assert_eq!(extend(&running, 10_000), (Reply::Job(running.clone()), Vec::new()), "it has that already");
    let (reply, changes) = extend(&running, 60_000);
    assert_eq!(reply, Reply::Job(Job { ttl: 60_000, ..running.clone() }));
    assert_eq!(words(&changes), "update(running 1) + extend lease");
    assert_eq!(extend(&running, 60_001), (Reply::TooLong(running.clone()), Vec::new()));
    let begun = Job { started_at: Some(NOW.plus(-45_000)), ..running.clone() };
    assert!(matches!(extend(&begun, 15_000).0, Reply::Job(_)));
    assert_eq!(extend(&begun, 15_001).0, Reply::TooLong(begun));
    let ahead = Job { started_at: Some(NOW.plus(5_000)), ..running };
    assert!(matches!(extend(&ahead, 60_001).0, Reply::TooLong(_)), "a clock that was set back gives no more");
    for state in State::ALL.into_iter().filter(|state| *state != State::Running) {
        assert_eq!(extend(&job(state), 20_000), (Reply::LeaseLost(job(state)), Vec::new()));
    }
    let again = Job { attempt: 2, ..job(State::Running) };
    assert_eq!(extend(&again, 20_000).0, Reply::LeaseLost(again));
}
