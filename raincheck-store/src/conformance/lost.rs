//! Runs nobody reports of any more.

use raincheck_core::{FailureCode, NewJob, OnLost, Outcome, Overdue, Reply, State};

use super::{World, complete, new_job};
use crate::{Overrun, Renewal, Renewed};

/// A run is lost when its lease is over, and not a millisecond before.
pub async fn only_after_the_lease_is_over(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.clock.advance(9_999);
    assert_eq!(world.store.overdue(9).await.unwrap(), []);
    let job = world.record(lease.no).await.job;
    assert_eq!(world.settle(lease, Outcome::Lost).await, Reply::Job(job), "too early changes nothing");
    world.clock.advance(1);
    assert_eq!(world.store.overdue(9).await.unwrap(), [Overrun { lease, why: Overdue::Lost }]);
    let job = world.end(lease, Outcome::Lost).await;
    assert_eq!((job.state, job.losses, job.failures), (State::Queued, 1, 0));
    let events = world.store.job_events(job.no, 2, 9).await.unwrap();
    assert_eq!(events[0].data, raincheck_core::EventData::Lost { worker: "worker-1".into() });
    assert_eq!(world.store.overdue(9).await.unwrap(), []);
    assert!(matches!(world.settle(lease, complete("late")).await, Reply::LeaseLost(_)));
    assert_eq!(world.store.renew(vec![Renewal { lease, ttl: None }]).await.unwrap(), [Renewed::Lost]);
    assert_eq!(world.run_one().await.attempt, 2);
}

/// Where the lease and the time limit have both passed before anybody looked, the run took too long: that is counted, and a
/// job that may fail once does not run again. Until it is recorded, late is not lost.
pub async fn not_who_took_too_long(world: &mut World) {
    let mut new = NewJob { timeout: 12_000, ..new_job() };
    new.spec.retry.max_attempts = 1;
    let (lease, late) = (world.running(new.clone()).await, world.running(new).await);
    world.clock.advance(12_000);
    let mut over = world.store.overdue(9).await.unwrap();
    over.sort_by_key(|over| over.lease);
    assert_eq!(over, [lease, late].map(|lease| Overrun { lease, why: Overdue::TimedOut }));
    let job = world.record(lease.no).await.job;
    assert_eq!(world.settle(lease, Outcome::Lost).await, Reply::Job(job), "it is not what it is over for");
    let job = world.end(lease, Outcome::TimedOut).await;
    assert_eq!((job.state, job.failures, job.losses), (State::Failed, 1, 0));
    assert_eq!(world.record(lease.no).await.failure.unwrap().code, FailureCode::Timeout);
    assert_eq!(world.end(late, complete("1")).await.state, State::Succeeded);
}

/// A heartbeat between the sweeper's look and its write saves the run.
pub async fn a_heartbeat_saves(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.clock.advance(10_000);
    assert_eq!(world.store.overdue(9).await.unwrap().len(), 1);
    let renewed = world.store.renew(vec![Renewal { lease, ttl: None }]).await.unwrap();
    assert_eq!(renewed, [Renewed::Extended { ttl: 10_000, cancel_requested: false }]);
    let job = world.record(lease.no).await.job;
    assert_eq!(world.settle(lease, Outcome::Lost).await, Reply::Job(job.clone()));
    assert_eq!(world.record(lease.no).await.job, job);
    assert_eq!(world.end(lease, complete("1")).await.state, State::Succeeded);
}

/// A heartbeat may ask for another length, up to what the lease was taken with; it hears of a call to stop.
pub async fn a_heartbeat_may_change_the_length(world: &mut World) {
    let lease = world.running(new_job()).await;
    let renew = async |ttl| world.store.renew(vec![Renewal { lease, ttl }]).await.unwrap()[0];
    assert_eq!(renew(Some(60_000)).await, Renewed::Extended { ttl: 10_000, cancel_requested: false });
    assert_eq!(renew(Some(4_000)).await, Renewed::Extended { ttl: 4_000, cancel_requested: false });
    world.clock.advance(3_999);
    assert_eq!(world.store.overdue(9).await.unwrap(), []);
    world.cancel(lease.no).await;
    assert_eq!(renew(None).await, Renewed::Extended { ttl: 4_000, cancel_requested: true });
    world.clock.advance(4_000);
    assert_eq!(world.store.overdue(9).await.unwrap().len(), 1);
    let stranger = raincheck_core::LeaseRef { attempt: 2, ..lease };
    let both = vec![Renewal { lease: stranger, ttl: None }, Renewal { lease, ttl: Some(10_000) }];
    let answers = world.store.renew(both).await.unwrap();
    assert_eq!(answers, [Renewed::Lost, Renewed::Extended { ttl: 10_000, cancel_requested: true }]);
}

/// A look at a lease says what is left of it, and leaves it at that.
pub async fn a_look_extends_nothing(world: &mut World) {
    let lease = world.running(new_job()).await;
    let stranger = raincheck_core::LeaseRef { attempt: 2, ..lease };
    let look = async || world.store.leases(vec![stranger, lease]).await.unwrap();
    world.clock.advance(4_000);
    assert_eq!(look().await, [Renewed::Lost, Renewed::Extended { ttl: 6_000, cancel_requested: false }]);
    world.cancel(lease.no).await;
    world.clock.advance(6_000);
    assert_eq!(look().await[1], Renewed::Extended { ttl: 0, cancel_requested: true }, "over, but not given up yet");
    assert_eq!(world.store.overdue(9).await.unwrap(), [Overrun { lease, why: Overdue::Lost }]);
    world.end(lease, Outcome::Lost).await;
    assert_eq!(look().await, [Renewed::Lost; 2]);
}

async fn lose(world: &World) -> raincheck_core::Job {
    let lease = world.run_one().await;
    world.clock.advance(10_000);
    world.end(lease, Outcome::Lost).await
}

/// Three runs lost in a row: the job is taken for poison, and its failures are not used up.
pub async fn three_in_a_row_are_poison(world: &mut World) {
    world.create(new_job()).await;
    assert_eq!(lose(world).await.state, State::Queued);
    assert_eq!(lose(world).await.state, State::Queued);
    let job = lose(world).await;
    assert_eq!((job.state, job.losses, job.failures, job.attempt), (State::Failed, 3, 0, 3));
    assert_eq!(world.record(job.no).await.failure.unwrap().code, FailureCode::Lost);
    assert_eq!(world.story(job.no).await, "created started lost started lost started failed");
}

/// A job says how many of its runs may be lost in a row.
pub async fn as_many_as_a_job_says(world: &mut World) {
    for max_losses in [1, 4] {
        world.create(NewJob { max_losses, ..new_job() }).await;
        for _ in 1..max_losses {
            assert_eq!(lose(world).await.state, State::Queued);
        }
        let job = lose(world).await;
        assert_eq!((job.state, job.losses, job.failures), (State::Failed, max_losses, 0));
        assert_eq!(world.record(job.no).await.failure.unwrap().code, FailureCode::Lost);
    }
}

/// Where losses have no bound, each of them is a failed attempt.
pub async fn without_a_bound_they_are_failures(world: &mut World) {
    let mut new = NewJob { max_losses: 0, ..new_job() };
    new.spec.retry.max_attempts = 5;
    world.create(new).await;
    for failures in 1..5 {
        let job = lose(world).await;
        assert_eq!((job.state, job.failures, job.losses), (State::Queued, failures, 0));
    }
    let job = lose(world).await;
    assert_eq!((job.state, job.failures, job.losses, job.attempt), (State::Failed, 5, 0, 5));
    assert_eq!(world.record(job.no).await.failure.unwrap().code, FailureCode::Lost);
}

/// A run that was reported on, however it ended, breaks the row.
pub async fn another_end_breaks_the_row(world: &mut World) {
    world.create(new_job()).await;
    for end in [Outcome::Release { delay: 0 }, super::fail("no")] {
        lose(world).await;
        lose(world).await;
        let lease = world.run_one().await;
        let job = world.end(lease, end).await;
        assert_eq!(job.losses, 0);
        if job.state == State::Scheduled {
            world.one(raincheck_core::Command::RunNow(job.no, None)).await;
        }
    }
    assert_eq!(lose(world).await.losses, 1);
}

/// A job that must not run twice fails at the first loss.
pub async fn fails_at_once_when_asked_to(world: &mut World) {
    world.create(NewJob { on_lost: OnLost::Fail, ..new_job() }).await;
    let job = lose(world).await;
    assert_eq!((job.state, job.losses), (State::Failed, 1));
    assert_eq!(world.record(job.no).await.failure.unwrap().code, FailureCode::Lost);
}

/// Late is not lost: a worker that reports before the loss is recorded is heard.
pub async fn the_late_worker_wins_when_first(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.clock.advance(1_000_000);
    let settle = |outcome| raincheck_core::Command::Settle(raincheck_core::Settle { lease, outcome });
    let replies = world.store.apply(vec![settle(complete("1")), settle(Outcome::Lost)]).await.unwrap();
    let [Reply::Job(job), Reply::LeaseLost(same)] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((job, job.state), (same, State::Succeeded));
}

/// The sweeper is told when to come again.
pub async fn next_overdue_tells_when(world: &mut World) {
    use raincheck_core::Clock;
    assert_eq!(world.store.next_overdue(), None);
    let lease = world.running(NewJob { timeout: 12_000, ..new_job() }).await;
    let start = world.clock.ticks();
    assert_eq!(world.store.next_overdue(), Some(start + 10_000));
    world.clock.advance(5_000);
    world.store.renew(vec![Renewal { lease, ttl: None }]).await.unwrap();
    assert_eq!(world.store.next_overdue(), Some(start + 12_000), "its timeout comes first now");
    world.end(lease, complete("1")).await;
    assert_eq!(world.store.next_overdue(), None);
    for _ in 0..5 {
        world.create(new_job()).await;
    }
    world.lease(5).await;
    world.clock.advance(10_000);
    assert_eq!(world.store.overdue(3).await.unwrap().len(), 3);
}

/// Leases live by the monotonic clock: whatever the wall clock does, a live run goes on.
pub async fn wall_clock_steps_lose_nothing(world: &mut World) {
    let lease = world.running(new_job()).await;
    for step in [86_400_000, -2 * 86_400_000, 3_600_000] {
        world.clock.jump(step);
        assert_eq!(world.store.overdue(9).await.unwrap(), [], "{step}");
    }
    world.end(lease, complete("1")).await;
}
