//! Closing, and opening the same data again.

use raincheck_core::{Clock, Command, NewJob, Outcome, Overdue, Reply, Retention, State};

use super::check::{everything, whole_feed};
use super::{World, complete, fail, name, new_job, new_of};
use crate::{Overrun, Renewal, Renewed, StoreError};

/// A lease that was handed over has its new length after every restart, whatever heartbeats asked for since; none goes
/// beyond the time limit of its run.
pub async fn a_hand_over_outlives_a_restart(world: &mut World) {
    let lease = world.running(NewJob { timeout: 3_600_000, ..new_job() }).await;
    let extend = async |world: &World, ttl| world.one(Command::Extend(lease, ttl)).await;
    let renew = async |world: &World, ttl| world.store.renew(vec![Renewal { lease, ttl }]).await.unwrap()[0];
    world.clock.advance(9_000);
    let Reply::Job(job) = extend(world, 600_000).await else { panic!("not extended") };
    assert_eq!((job.ttl, job.attempt, job.seq, job.state), (600_000, 1, 2, State::Running));
    assert_eq!(world.record(lease.no).await.job, job);
    for _ in 0..3 {
        world.clock.advance(599_999);
        assert_eq!(world.store.overdue(9).await.unwrap(), []);
        world.restart().await;
    }
    assert_eq!(renew(world, Some(5_000)).await, Renewed::Extended { ttl: 5_000, cancel_requested: false });
    assert_eq!(renew(world, Some(900_000)).await, Renewed::Extended { ttl: 600_000, cancel_requested: false });
    assert_eq!(extend(world, 20_000).await, Reply::Job(job.clone()), "it has that already");
    assert_eq!(extend(world, 3_000_000).await, Reply::TooLong(job.clone()));
    assert_eq!(world.record(lease.no).await.job, job);
    assert_eq!(renew(world, Some(5_000)).await, Renewed::Extended { ttl: 5_000, cancel_requested: false });
    world.restart().await;
    world.clock.advance(599_999);
    assert_eq!(world.store.overdue(9).await.unwrap(), [], "a restart grants the long one again");
    world.clock.advance(1);
    assert_eq!(world.store.overdue(9).await.unwrap().len(), 1);
    let done = world.end(lease, complete("1")).await;
    assert_eq!(extend(world, 700_000).await, Reply::LeaseLost(done));
}

/// Jobs in every state, their events, the statistics: as they were.
pub async fn everything_is_there(world: &mut World) {
    for n in 0..12 {
        let lease = world.running(new_of(["q", "r"][n % 2], "k")).await;
        match n % 4 {
            0 => drop(world.end(lease, complete("1")).await),
            1 => drop(world.end(lease, fail("no")).await),
            2 => drop(world.cancel(lease.no).await),
            _ => drop(world.end(lease, Outcome::Release { delay: 50_000 }).await),
        }
    }
    world.create(new_job()).await;
    let stats = world.store.stats().await.unwrap();
    let before =
        (everything(&*world.store).await, whole_feed(&*world.store).await, world.store.feed_bounds().await.unwrap());
    for _ in 0..3 {
        world.restart().await;
        let after = (
            everything(&*world.store).await,
            whole_feed(&*world.store).await,
            world.store.feed_bounds().await.unwrap(),
        );
        assert_eq!(after, before);
        let again = world.store.stats().await.unwrap();
        assert_eq!((again.queues, again.kinds), (stats.queues.clone(), stats.kinds.clone()));
    }
}

/// Downtime is not the worker's fault: a lease goes on for its full length, on the same attempt, with its worker.
pub async fn leases_get_their_full_length_again(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.clock.advance(9_000);
    world.restart().await;
    assert_eq!(world.store.worker(lease).as_deref(), Some("worker-1"));
    world.clock.advance(9_999);
    assert_eq!(world.store.overdue(9).await.unwrap(), []);
    let renewed = world.store.renew(vec![Renewal { lease, ttl: None }]).await.unwrap();
    assert_eq!(renewed, [Renewed::Extended { ttl: 10_000, cancel_requested: false }]);
    world.store.close().await;
    world.clock.advance(60_000);
    world.restart().await;
    assert_eq!(world.store.overdue(9).await.unwrap(), [], "down for longer than the lease");
    let job = world.end(lease, complete("1")).await;
    assert_eq!((job.state, job.attempt), (State::Succeeded, 1));

    let silent = world.running(new_job()).await;
    world.restart().await;
    world.clock.advance(10_000);
    assert_eq!(world.store.overdue(9).await.unwrap().len(), 1);
    assert_eq!(world.end(silent, Outcome::Lost).await.losses, 1);
}

/// A time limit runs on while the server is down: it is over at the next start, though the lease has its length again.
pub async fn time_limits_run_on(world: &mut World) {
    let lease = world.running(NewJob { timeout: 12_000, ..new_job() }).await;
    world.store.close().await;
    world.clock.advance(11_999);
    world.restart().await;
    assert_eq!(world.store.overdue(9).await.unwrap(), []);
    world.store.close().await;
    world.clock.advance(8_001);
    world.restart().await;
    assert_eq!(world.store.overdue(9).await.unwrap(), [Overrun { lease, why: Overdue::TimedOut }]);
    assert_eq!(world.end(lease, Outcome::TimedOut).await.failures, 1);
}

/// New jobs stay newer than old ones, and ready jobs stay in order, whatever the wall clock says at the start.
pub async fn numbers_grow_though_the_clock_steps_back(world: &mut World) {
    let first = world.create(new_job()).await;
    world.clock.jump(-86_400_000);
    let second = world.create(new_job()).await;
    world.restart().await;
    let third = world.create(new_job()).await;
    assert!(first.no < second.no && second.no < third.no);
    assert!(first.id < second.id && second.id < third.id);
    let order: Vec<_> = world.lease(9).await.iter().map(|(job, _)| job.no).collect();
    assert_eq!(order, [first.no, second.no, third.no]);
    for no in order {
        world.end(raincheck_core::LeaseRef { no, attempt: 1 }, complete("1")).await;
        world.one(Command::Purge(no)).await;
    }
    world.restart().await;
    let fourth = world.create(new_job()).await;
    assert!(fourth.no > third.no, "also when the older ones are purged");
    world.cancel(fourth.no).await;
    world.one(Command::Purge(fourth.no)).await;
    world.clock.advance(world.setup.tombstone);
    assert_eq!(world.sweep(Command::DropTombstones(9)).await, 4);
    world.clock.jump(-world.setup.tombstone - 86_400_000);
    world.restart().await;
    assert!(world.create(new_job()).await.no > fourth.no, "also when nobody remembers them");
}

/// What is due when is known from the start.
pub async fn due_times_are_known_again(world: &mut World) {
    let now = world.clock.now();
    world.restart().await;
    assert_eq!((world.store.next_due(), world.store.next_expiry(), world.store.next_overdue()), (None, None, None));
    world.create(NewJob { delay: 5_000, ..new_job() }).await;
    world.create(NewJob { start_by: Some(now.plus(4_000)), kind: name("other"), ..new_job() }).await;
    let kept = NewJob { retention: Retention { succeeded: 7_000, failed: 9 }, ..new_job() };
    let lease = world.running(kept).await;
    world.end(lease, complete("1")).await;
    world.running(new_job()).await;
    world.restart().await;
    assert_eq!(world.store.next_due(), Some(now.plus(4_000)));
    assert_eq!(world.store.next_expiry(), Some(now.plus(7_000)));
    assert_eq!(world.store.next_overdue(), Some(world.clock.ticks() + 10_000));
}

/// The secret is made once.
pub async fn secret_and_settings_stay(world: &mut World) {
    let secret = world.store.secret();
    assert_ne!(secret, [0; 32]);
    world.restart().await;
    assert_eq!(world.store.secret(), secret);
    assert!(world.store.health().is_ok());
    assert!(!world.store.space().1);
}

/// A closed store takes nothing, says so, and may be closed again.
pub async fn closed_takes_nothing(world: &mut World) {
    let job = world.create(new_job()).await;
    let old = world.store.clone();
    world.restart().await;
    let answer = old.apply(vec![Command::Submit(vec![new_job()])]).await;
    assert!(matches!(answer, Err(StoreError::Stopped(_))), "{answer:?}");
    assert!(matches!(old.health(), Err(StoreError::Stopped(_))));
    old.close().await;
    assert_eq!(world.found(&job).await.job, job);
}
