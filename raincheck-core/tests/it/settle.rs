//! How a run ends: outcome by situation.

use std::fmt::Write;

use raincheck_core::decide::{self, Settled};
use raincheck_core::{Change, Job, OnLost, Outcome, Progress, State, limits};

use crate::make::{NOW, at_now, content, job, outcomes, policy, stands, words};

fn settle(job: Job, outcome: Outcome) -> Settled {
    let attempt = job.attempt;
    at_now(|moment| decide::settle(job, attempt, outcome, "w", None, &policy(), moment))
}

/// One situation, one row per outcome: state after, failures and losses after, what is written.
fn table(situation: impl Fn(&mut Job)) -> String {
    let mut table = String::new();
    for (name, outcome) in outcomes() {
        let mut before = job(State::Running);
        situation(&mut before);
        let Settled::Changed(after, changes) = settle(before, outcome) else { panic!("{name} is an end") };
        let (stands, failures, losses) = (stands(&after), after.failures, after.losses);
        let _ = writeln!(table, "{name}: {stands}, {failures} failed, {losses} lost; {}", words(&changes));
    }
    table
}

#[test]
fn a_first_run() {
    assert_eq!(
        table(|_| {}),
        "complete: succeeded, 0 failed, 0 lost; result + succeeded + update(running 1)\n\
         fail: scheduled 1000 ms, 1 failed, 0 lost; job-failed + retrying + update(running 1)\n\
         fail at once: queued, 1 failed, 0 lost; job-failed + retrying + update(running 1)\n\
         fail after 7 s: scheduled 7000 ms, 1 failed, 0 lost; job-failed + retrying + update(running 1)\n\
         fail for good: failed, 1 failed, 0 lost; job-failed + failed + update(running 1)\n\
         release: queued, 0 failed, 0 lost; released + update(running 1)\n\
         release for 3 s: scheduled 3000 ms, 0 failed, 0 lost; released + update(running 1)\n\
         lost: queued, 0 failed, 1 lost; lost + update(running 1)\n\
         timed out: scheduled 1000 ms, 1 failed, 0 lost; job-timeout + retrying + update(running 1)\n"
    );
}

#[test]
fn the_last_attempt_after_two_losses() {
    let last = |job: &mut Job| (job.attempt, job.failures, job.losses) = (4, 1, limits::MAX_LOSSES_DEFAULT - 1);
    assert_eq!(
        table(last),
        "complete: succeeded, 1 failed, 0 lost; result + succeeded + update(running 4)\n\
         fail: failed, 2 failed, 0 lost; job-failed + failed + update(running 4)\n\
         fail at once: failed, 2 failed, 0 lost; job-failed + failed + update(running 4)\n\
         fail after 7 s: failed, 2 failed, 0 lost; job-failed + failed + update(running 4)\n\
         fail for good: failed, 2 failed, 0 lost; job-failed + failed + update(running 4)\n\
         release: queued, 1 failed, 0 lost; released + update(running 4)\n\
         release for 3 s: scheduled 3000 ms, 1 failed, 0 lost; released + update(running 4)\n\
         lost: failed, 1 failed, 3 lost; job-lost + failed + update(running 4)\n\
         timed out: failed, 2 failed, 0 lost; job-timeout + failed + update(running 4)\n"
    );
}

/// `max_losses`, then the losses and failures before one more, of at most 2 failures: what it comes to.
#[test]
fn how_many_losses_it_takes() {
    let mut table = String::new();
    for (max_losses, losses, failures) in [(1, 0, 0), (2, 0, 1), (2, 1, 1), (5, 3, 0), (5, 4, 0), (0, 0, 0), (0, 0, 1)]
    {
        let before = Job { max_losses, losses, failures, attempt: 9, ..job(State::Running) };
        let Settled::Changed(after, changes) = settle(before, Outcome::Lost) else { panic!("it is an end") };
        let (stands, now) = (stands(&after), (after.losses, after.failures));
        let _ = writeln!(table, "{max_losses}: {:?} {stands} {now:?}; {}", (losses, failures), words(&changes));
    }
    assert_eq!(
        table,
        "1: (0, 0) failed (1, 0); job-lost + failed + update(running 9)\n\
         2: (0, 1) queued (1, 1); lost + update(running 9)\n\
         2: (1, 1) failed (2, 1); job-lost + failed + update(running 9)\n\
         5: (3, 0) queued (4, 0); lost + update(running 9)\n\
         5: (4, 0) failed (5, 0); job-lost + failed + update(running 9)\n\
         0: (0, 0) queued (0, 1); lost + update(running 9)\n\
         0: (0, 1) failed (0, 2); job-lost + failed + update(running 9)\n"
    );
}

#[test]
fn a_run_that_must_not_be_repeated_when_lost() {
    let rows = table(|job| job.on_lost = OnLost::Fail);
    let lost = rows.lines().find(|row| row.starts_with("lost")).unwrap();
    assert_eq!(lost, "lost: failed, 0 failed, 1 lost; job-lost + failed + update(running 1)");
    let plain = table(|_| {});
    let others =
        |table: &str| table.lines().filter(|row| !row.starts_with("lost")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(others(&rows), others(&plain), "nothing else differs");
}

#[test]
fn a_lost_run_goes_back_to_its_place_and_others_that_begin_anew_go_behind() {
    for (name, outcome) in outcomes() {
        let before = Job { rank: 5, ..job(State::Running) };
        let Settled::Changed(after, _) = settle(before, outcome) else { panic!("{name} is an end") };
        if after.state == State::Queued {
            let behind = raincheck_core::rank(NOW.0, after.priority);
            assert_eq!(after.rank, if name == "lost" { 5 } else { behind }, "{name}");
            assert_eq!(after.run_at, NOW, "{name}");
        }
    }
}

#[test]
fn a_run_that_was_asked_to_stop() {
    for on_lost in [OnLost::Retry, OnLost::Fail] {
        for (failures, losses) in [(0, 0), (1, 2)] {
            let rows = table(|job| {
                (job.cancel_requested, job.on_lost, job.failures, job.losses) = (true, on_lost, failures, losses);
            });
            for row in rows.lines() {
                let end = if row.starts_with("complete") {
                    "succeeded, F failed, 0 lost; result + succeeded + update(running 1)"
                        .replace('F', &failures.to_string())
                } else {
                    format!("canceled, {failures} failed, {losses} lost; job-canceled + canceled + update(running 1)")
                };
                assert!(row.ends_with(&end), "{row}");
            }
        }
    }
}

#[test]
fn only_the_present_run_ends() {
    for state in State::ALL {
        for attempt in [0, 1, 2] {
            for (name, outcome) in outcomes() {
                let before = job(state);
                if state == State::Running && attempt == before.attempt {
                    continue;
                }
                let settled = at_now(|m| decide::settle(before.clone(), attempt, outcome, "w", None, &policy(), m));
                assert_eq!(settled, Settled::LeaseLost(before), "{state:?} {attempt} {name}");
            }
        }
    }
}

#[test]
fn the_same_result_again_is_an_answer_and_no_change() {
    for (state, attempt, recorded, again) in [
        (State::Succeeded, 1, Some([1; 16]), true),
        (State::Succeeded, 1, Some([2; 16]), false),
        (State::Succeeded, 1, None, false),
        (State::Succeeded, 0, Some([1; 16]), false),
        (State::Failed, 1, Some([1; 16]), false),
        (State::Queued, 0, Some([1; 16]), false),
    ] {
        let before = job(state);
        let outcome = Outcome::Complete(content(1));
        let settled = at_now(|m| decide::settle(before.clone(), attempt, outcome, "w", recorded, &policy(), m));
        let expected = if again { Settled::Repeated(before) } else { Settled::LeaseLost(before) };
        assert_eq!(settled, expected, "{state:?} {attempt} {recorded:?}");
    }
}

#[test]
fn ends_are_kept_for_their_time() {
    for (name, outcome) in outcomes() {
        let Settled::Changed(after, changes) = settle(job(State::Running), outcome) else { panic!("{name}") };
        let keep = if after.state == State::Succeeded { 100 } else { 200 };
        assert_eq!(after.finished_at.is_some(), after.state.is_final(), "{name}");
        assert_eq!(after.expires_at, after.finished_at.map(|at| at.plus(keep)), "{name}");
        let Some(Change::Update { job, .. }) = changes.last() else { panic!("{name}") };
        assert_eq!(**job, after, "{name}: what is answered is what is written");
    }
}

#[test]
fn only_the_present_run_reports() {
    for state in State::ALL {
        for attempt in [0, 1, 2] {
            let before = job(state);
            let reported = at_now(|m| decide::progress(before.clone(), attempt, Progress::default(), m));
            if state == State::Running && attempt == 1 {
                let (after, changes) = reported.unwrap();
                assert_eq!((after.state, after.attempt, after.seq), (State::Running, 1, before.seq + 1));
                assert_eq!(words(&changes), "progress + progress + update(running 1)");
            } else {
                assert_eq!(*reported.unwrap_err(), before, "{state:?} {attempt}");
            }
        }
    }
}
