//! Attempts that fail, and what comes after them.

use raincheck_core::{Command, EventData, FailureCode, NewJob, Outcome, RetryPolicy, State};

use super::{World, complete, fail, new_job};

fn attempts(max_attempts: u32) -> NewJob {
    let retry = RetryPolicy { max_attempts, initial: 1_000, factor: 2.0, max: 3_000, jitter: false };
    let mut new = new_job();
    new.spec.retry = retry;
    new
}

/// A failed attempt waits as long as its policy says, then runs again.
pub async fn a_failed_attempt_waits_and_runs_again(world: &mut World) {
    let lease = world.running(attempts(5)).await;
    let job = world.end(lease, fail("no")).await;
    assert_eq!((job.state, job.failures, job.attempt), (State::Scheduled, 1, 1));
    assert_eq!(job.run_at, job.updated_at.plus(1_000));
    assert_eq!(world.store.next_due(), Some(job.run_at));
    let failure = world.record(job.no).await.failure.unwrap();
    assert_eq!(
        (failure.code, failure.kind.as_deref(), failure.detail.as_deref()),
        (FailureCode::Failed, Some("E"), Some("no"))
    );
    let events = world.store.job_events(job.no, 2, 9).await.unwrap();
    assert_eq!(events[0].data, EventData::Retrying { failure, run_at: job.run_at });
    world.clock.advance(999);
    assert_eq!(world.sweep(Command::Promote(9)).await, 0);
    world.clock.advance(1);
    assert_eq!(world.sweep(Command::Promote(9)).await, 1);
    let again = world.run_one().await;
    assert_eq!(again.attempt, 2);
    world.end(again, complete("1")).await;
    assert_eq!(world.story(job.no).await, "created started retrying queued started succeeded");
}

/// Waits grow to their cap, and the last failure is the end.
pub async fn failures_exhaust(world: &mut World) {
    let mut lease = world.running(attempts(4)).await;
    for wait in [1_000, 2_000, 3_000] {
        let job = world.end(lease, fail("no")).await;
        assert_eq!(job.run_at, job.updated_at.plus(wait));
        world.clock.advance(wait);
        assert_eq!(world.sweep(Command::Promote(9)).await, 1);
        lease = world.run_one().await;
    }
    let job = world.end(lease, fail("the last")).await;
    assert_eq!((job.state, job.failures, job.attempt), (State::Failed, 4, 4));
    assert_eq!(job.expires_at, job.finished_at.map(|at| at.plus(job.retention.failed)));
    let failure = world.record(job.no).await.failure.unwrap();
    assert_eq!(failure.detail.as_deref(), Some("the last"));
    assert_eq!(world.store.job_events(job.no, job.seq - 1, 1).await.unwrap()[0].data, EventData::Failed(failure));
}

/// A worker that says so ends it at the first failure.
pub async fn not_retryable_ends_at_once(world: &mut World) {
    let lease = world.running(attempts(5)).await;
    let Outcome::Fail { failure, .. } = fail("never") else { unreachable!() };
    let job = world.end(lease, Outcome::Fail { failure, retryable: false, retry_after: Some(1) }).await;
    assert_eq!((job.state, job.failures), (State::Failed, 1));
}

/// The worker's own wait wins over the policy's; none at all queues it at once.
pub async fn retry_after_wins(world: &mut World) {
    let lease = world.running(attempts(5)).await;
    let Outcome::Fail { failure, .. } = fail("later") else { unreachable!() };
    let after = |ms| Outcome::Fail { failure: failure.clone(), retryable: true, retry_after: Some(ms) };
    let job = world.end(lease, after(77_000)).await;
    assert_eq!((job.state, job.run_at), (State::Scheduled, job.updated_at.plus(77_000)));
    world.clock.advance(77_000);
    world.sweep(Command::Promote(9)).await;
    let lease = world.run_one().await;
    let job = world.end(lease, after(0)).await;
    assert_eq!(job.state, State::Queued);
    assert_eq!(world.run_one().await.attempt, 3);
}

/// Given back is not failed: ready at once, no failure counted.
pub async fn release_is_not_counted(world: &mut World) {
    let mut lease = world.running(attempts(1)).await;
    for attempt in 1..5 {
        assert_eq!(lease.attempt, attempt);
        let job = world.end(lease, Outcome::Release { delay: 0 }).await;
        assert_eq!((job.state, job.failures, job.losses), (State::Queued, 0, 0));
        lease = world.run_one().await;
    }
    assert_eq!(world.record(lease.no).await.failure, None);
}

/// Given back for later.
pub async fn release_with_a_delay_waits(world: &mut World) {
    let lease = world.running(new_job()).await;
    let job = world.end(lease, Outcome::Release { delay: 5_000 }).await;
    assert_eq!((job.state, job.run_at), (State::Scheduled, job.updated_at.plus(5_000)));
    assert_eq!(world.store.next_due(), Some(job.run_at));
    assert!(world.lease(1).await.is_empty());
    world.clock.advance(5_000);
    world.sweep(Command::Promote(9)).await;
    world.run_one().await;
}

/// An attempt over its time limit is a failure that is tried again, heartbeats or not.
pub async fn a_timeout_is_a_failure(world: &mut World) {
    let lease = world.running(NewJob { timeout: 15_000, ..attempts(2) }).await;
    world.clock.advance(9_000);
    let renewal = crate::Renewal { lease, ttl: None };
    assert_eq!(
        world.settle(lease, Outcome::TimedOut).await,
        raincheck_core::Reply::Job(world.record(lease.no).await.job)
    );
    world.store.renew(vec![renewal]).await.unwrap();
    assert_eq!(world.store.overdue(9).await.unwrap(), []);
    world.clock.advance(6_000);
    assert_eq!(
        world.store.overdue(9).await.unwrap(),
        [crate::Overrun { lease, why: raincheck_core::Overdue::TimedOut }]
    );
    let job = world.end(lease, Outcome::TimedOut).await;
    assert_eq!((job.state, job.failures, job.losses), (State::Scheduled, 1, 0));
    assert_eq!(world.record(job.no).await.failure.unwrap().code, FailureCode::Timeout);
    assert_eq!(world.store.overdue(9).await.unwrap(), []);
}
