//! Any rules in any order: what must hold after each.

use proptest::prelude::*;
use raincheck_core::decide::{self, Settled, SubmitFacts};
use raincheck_core::{
    Change, EventType, Job, JobId, JobNo, NewJob, OnLost, Outcome, Progress, QueueFacts, Reply, State, Submitted,
    Timestamp,
};

use crate::make::{at, content, name, outcomes, policy};

#[derive(Clone, Debug)]
enum Step {
    Lease,
    Settle(Outcome, bool),
    Progress,
    Cancel(bool),
    RunNow,
    Promote,
    Expire,
    Share,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = (0..outcomes().len()).prop_map(|n| outcomes()[n].1.clone());
    prop_oneof![
        5 => Just(Step::Lease),
        5 => (outcome, any::<bool>()).prop_map(|(outcome, present)| Step::Settle(outcome, present)),
        1 => Just(Step::Progress),
        1 => any::<bool>().prop_map(Step::Cancel),
        2 => Just(Step::RunNow),
        2 => Just(Step::Promote),
        1 => Just(Step::Expire),
        1 => Just(Step::Share),
        2 => (-5_000i64..5_000).prop_map(Step::Pass),
    ]
}

/// Takes a step; answers the job after it and what is written.
fn take(job: &Job, step: &Step, now: Timestamp) -> (Job, Vec<Change>) {
    let unchanged = || (job.clone(), Vec::new());
    at(now, |moment| match step.clone() {
        Step::Lease if job.state == State::Queued => decide::lease(job.clone(), "w", 1_000, moment),
        Step::Promote if job.state == State::Scheduled => decide::promote(job.clone(), moment),
        Step::Settle(outcome, present) => {
            let attempt = if present { job.attempt } else { job.attempt.wrapping_sub(1) };
            match decide::settle(job.clone(), attempt, outcome, "w", Some(content(1).digest), &policy(), moment) {
                Settled::Changed(after, changes) => (after, changes),
                Settled::Repeated(same) | Settled::LeaseLost(same) => (same, Vec::new()),
            }
        }
        Step::Progress => decide::progress(job.clone(), job.attempt, Progress::default(), moment)
            .unwrap_or_else(|job| (*job, Vec::new())),
        Step::Cancel(force) => match decide::cancel(job.clone(), force, moment) {
            (Reply::Job(after) | Reply::Finished(after) | Reply::Shared(after), changes) => (after, changes),
            (other, _) => panic!("{other:?}"),
        },
        Step::RunNow => match decide::run_now(job.clone(), moment) {
            (Reply::Job(after) | Reply::NotWaiting(after), changes) => (after, changes),
            (other, _) => panic!("{other:?}"),
        },
        Step::Expire => decide::expire(job.clone(), moment).unwrap_or_else(unchanged),
        Step::Share => {
            let queue = QueueFacts { max_queued: 1, max_in_all: 1, ..QueueFacts::default() };
            let facts = SubmitFacts { queue, equal: Some(Box::new(job.clone())), ..SubmitFacts::default() };
            let new = NewJob {
                method: raincheck_core::Method::Get,
                equal: Some([0; 16]),
                ..NewJob::new(name("q"), name("k"))
            };
            match decide::submit(new, facts, (JobNo(1), JobId::from_parts(JobNo(1), 0)), moment) {
                Ok((Submitted::Coalesced(after), changes)) => (after, changes),
                _ => unchanged(),
            }
        }
        Step::Lease | Step::Promote | Step::Pass(_) => unchanged(),
    })
}

/// What one step may do to a job, whichever step it was.
fn assert_allowed(before: &Job, after: &Job, changes: &[Change], now: Timestamp) {
    let events: Vec<_> = changes.iter().filter_map(|c| if let Change::Event(e) = c { Some(e) } else { None }).collect();
    assert!(events.len() <= 1, "one change, one event");
    assert_eq!(after.seq, before.seq + events.len() as u32, "seq rises by one per event");
    if before.state.is_final() {
        assert_eq!((after, changes), (before, &[][..]), "final is never left");
        return;
    }
    let Some(Change::Update { state, attempt, job }) = changes.iter().find(|c| matches!(c, Change::Update { .. }))
    else {
        assert_eq!((after, changes), (before, &[][..]), "no change without a guarded write");
        return;
    };
    assert_eq!(
        (*state, *attempt, &**job),
        (before.state, before.attempt, after),
        "guarded by what was, writing what is"
    );
    let leased = events.first().is_some_and(|event| event.data.event_type() == EventType::Started);
    assert_eq!(after.attempt, before.attempt + u32::from(leased), "attempt rises only at a lease");
    assert!(after.state == before.state || before.state.may_become(after.state));
    assert_eq!(after.finished_at.is_some(), after.state.is_final());
    assert_eq!(after.state == State::Succeeded, changes.iter().any(|c| matches!(c, Change::Result(..))));
    let fails = matches!(after.state, State::Failed | State::Canceled);
    assert!(!fails || changes.iter().any(|c| matches!(c, Change::Failure(..))), "an end that is no success says why");
    assert!(after.failures >= before.failures && after.failures + after.losses <= after.attempt);
    assert!(after.failures < after.max_attempts || after.state.is_final());
    assert!(after.losses < after.max_losses || after.losses == 0 || after.state == State::Failed);
    assert!(after.losses <= after.max_losses, "without a bound of their own they are failures");
    for event in events {
        assert_eq!((event.state, event.attempt, event.seq, event.at), (after.state, after.attempt, after.seq, now));
        assert_eq!((event.no, event.job), (after.no, after.id));
    }
    let fixed = |job: &Job| {
        ((job.no, job.id, job.ticket, job.created_at), (job.priority, job.max_attempts, job.max_losses, job.start_by))
    };
    assert_eq!(fixed(before), fixed(after), "what was asked for stays");
}

proptest! {
    #[test]
    fn every_walk_is_lawful(
        steps in prop::collection::vec(step(), 1..60),
        fail_on_lost: bool,
        max_losses in 0u32..4,
        delay in 0i64..2,
        start_by in prop::option::of(0i64..20_000),
    ) {
        let mut now = Timestamp(1_000_000);
        let on_lost = if fail_on_lost { OnLost::Fail } else { OnLost::Retry };
        let mut new = NewJob { on_lost, max_losses, delay, start_by: start_by.map(|by| now.plus(by)), ..NewJob::new(name("q"), name("k")) };
        new.spec.retry = policy();
        let queue = QueueFacts { max_queued: 1, max_in_all: 1, ..QueueFacts::default() };
        let facts = SubmitFacts { queue, ..SubmitFacts::default() };
        let fresh = (JobNo(9), JobId::from_parts(JobNo(9), 1));
        let Ok((Submitted::New(mut job), _)) = at(now, |moment| decide::submit(new, facts, fresh, moment)) else {
            panic!("there is room");
        };
        for step in steps {
            if let Step::Pass(by) = step {
                now = now.plus(by);
            }
            let (after, changes) = take(&job, &step, now);
            assert_allowed(&job, &after, &changes, now);
            job = after;
        }
    }
}
