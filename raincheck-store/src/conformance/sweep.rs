//! What time brings: due jobs, and jobs that were not started in time.

use raincheck_core::{Clock, Command, FailureCode, NewJob, Outcome, State};

use super::{World, new_job};

/// Jobs become ready in the order of their times, not before them.
pub async fn promotes_what_is_due_in_order(world: &mut World) {
    let mut made = Vec::new();
    for delay in [3_000, 1_000, 2_000] {
        made.push(world.create(NewJob { delay, ..new_job() }).await);
    }
    assert!(made.iter().all(|job| job.state == State::Scheduled));
    assert!(world.lease(9).await.is_empty());
    world.clock.advance(999);
    assert_eq!(world.sweep(Command::Promote(9)).await, 0);
    world.clock.advance(2_001);
    for expected in [&made[1], &made[2], &made[0]] {
        assert_eq!(world.sweep(Command::Promote(1)).await, 1);
        assert_eq!(world.run_one().await.no, expected.no);
    }
    let at = world.clock.now().plus(500);
    let exact = world.create(NewJob { run_at: Some(at), delay: 9, ..new_job() }).await;
    assert_eq!((exact.state, exact.run_at), (State::Scheduled, at), "a point in time wins over a delay");
    let past = world.create(NewJob { run_at: Some(at.plus(-5_000)), ..new_job() }).await;
    assert_eq!((past.state, past.run_at), (State::Queued, past.created_at));
    assert_eq!(world.story(made[0].no).await, "created queued started");
}

/// The time of the next sweep is known, also when it comes nearer, and there is none when nothing waits.
pub async fn next_due_is_never_too_late(world: &mut World) {
    assert_eq!(world.store.next_due(), None);
    let now = world.clock.now();
    world.create(NewJob { delay: 5_000, ..new_job() }).await;
    assert_eq!(world.store.next_due(), Some(now.plus(5_000)));
    world.create(NewJob { delay: 2_000, ..new_job() }).await;
    world.create(NewJob { start_by: Some(now.plus(1_000)), ..new_job() }).await;
    assert_eq!(world.store.next_due(), Some(now.plus(1_000)));
    world.clock.advance(1_000);
    world.sweep(Command::Expire(9)).await;
    assert_eq!(world.store.next_due(), Some(now.plus(2_000)));
    world.clock.advance(1_000);
    world.sweep(Command::Promote(9)).await;
    assert_eq!(world.store.next_due(), Some(now.plus(5_000)));
    world.clock.advance(3_000);
    world.sweep(Command::Promote(9)).await;
    assert_eq!(world.store.next_due(), None);
}

/// Waiting jobs past their `start_by` fail, whatever they wait for.
pub async fn expires_what_was_not_started(world: &mut World) {
    let start_by = Some(world.clock.now().plus(1_000));
    let queued = world.create(NewJob { start_by, ..new_job() }).await;
    let scheduled = world.create(NewJob { start_by, delay: 5_000, ..new_job() }).await;
    let other = world.create(new_job()).await;
    world.clock.advance(999);
    assert_eq!(world.sweep(Command::Expire(9)).await, 0);
    world.clock.advance(1);
    assert_eq!(world.sweep(Command::Expire(9)).await, 2);
    for no in [queued.no, scheduled.no] {
        let record = world.record(no).await;
        assert_eq!((record.job.state, record.failure.unwrap().code), (State::Failed, FailureCode::Expired));
    }
    assert_eq!(world.record(other.no).await.job.state, State::Queued);
}

/// A job that was started in time may come back to wait: it does not expire any more.
pub async fn a_started_job_does_not_expire(world: &mut World) {
    let start_by = Some(world.clock.now().plus(1_000));
    let lease = world.running(NewJob { start_by, ..new_job() }).await;
    world.clock.advance(2_000);
    assert_eq!(world.sweep(Command::Expire(9)).await, 0);
    world.end(lease, Outcome::Release { delay: 0 }).await;
    assert_eq!(world.sweep(Command::Expire(9)).await, 0);
    assert_eq!(world.run_one().await.attempt, 2);
}

/// A sweep takes at most what it was asked for, and says when there is more.
pub async fn limits_hold(world: &mut World) {
    let start_by = Some(world.clock.now().plus(1_000));
    for _ in 0..5 {
        world.create(NewJob { delay: 1_000, ..new_job() }).await;
        world.create(NewJob { start_by, ..new_job() }).await;
    }
    world.clock.advance(1_000);
    for (command, counts) in [(Command::Promote as fn(usize) -> Command, [2, 2, 1, 0]), (Command::Expire, [2, 2, 1, 0])]
    {
        for n in counts {
            assert_eq!(world.sweep(command(2)).await, n);
        }
    }
}
