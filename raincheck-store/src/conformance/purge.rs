//! Forgetting finished jobs, and forgetting that there were any.

use raincheck_core::{
    Append, ChunkKind, Clock, Command, EventData, LeaseRef, NewJob, Progress, Reply, Retention, State,
};

use super::{World, complete, fail, new_job};
use crate::Found;

/// A purged job answers that it was purged, until its tombstone is dropped.
pub async fn forgets_and_remembers_that_it_did(world: &mut World) {
    let lease = world.running(new_job()).await;
    let job = world.end(lease, complete("1")).await;
    assert!(!world.store.is_purged(job.no).await.unwrap());
    assert_eq!(world.one(Command::Purge(job.no)).await, Reply::Purged(Default::default()));
    assert!(world.store.is_purged(job.no).await.unwrap());
    assert_eq!(world.store.job(job.id).await.unwrap(), Found::Purged(job.no));
    assert_eq!(world.store.record(job.no).await.unwrap(), None);
    assert_eq!(world.one(Command::Purge(job.no)).await, Reply::Gone);
    assert_eq!(world.settle(lease, complete("1")).await, Reply::Gone);
    world.restart().await;
    assert_eq!(world.store.job(job.id).await.unwrap(), Found::Purged(job.no));
}

/// A job that is not finished stays.
pub async fn only_finished_jobs(world: &mut World) {
    let queued = world.create(new_job()).await;
    assert_eq!(world.one(Command::Purge(queued.no)).await, Reply::NotFinished(queued));
    let lease = world.run_one().await;
    assert!(matches!(world.one(Command::Purge(lease.no)).await, Reply::NotFinished(_)));
    world.end(lease, fail("no")).await;
    assert!(
        matches!(world.one(Command::Purge(lease.no)).await, Reply::NotFinished(job) if job.state == State::Scheduled)
    );
    world.clock.advance(1_000 * 86_400_000);
    assert_eq!(world.sweep(Command::PurgeExpired(9)).await, 0);
}

/// Each job is kept as long as it asked for after the way it ended, and not a millisecond less.
pub async fn purges_by_final_state(world: &mut World) {
    let keep = NewJob { retention: Retention { succeeded: 1_000, failed: 3_000 }, ..new_job() };
    assert_eq!(world.store.next_expiry(), None);
    let lease = world.running(keep.clone()).await;
    let succeeded = world.end(lease, complete("1")).await;
    let canceled = world.create(keep.clone()).await;
    world.cancel(canceled.no).await;
    let waiting = world.create(keep).await;
    assert_eq!(world.store.next_expiry(), Some(world.clock.now().plus(1_000)));
    world.clock.advance(999);
    assert_eq!(world.sweep(Command::PurgeExpired(9)).await, 0);
    world.clock.advance(1);
    assert_eq!(world.sweep(Command::PurgeExpired(9)).await, 1);
    assert_eq!(world.store.job(succeeded.id).await.unwrap(), Found::Purged(succeeded.no));
    assert_eq!(world.store.next_expiry(), Some(world.clock.now().plus(2_000)));
    world.clock.advance(2_000);
    assert_eq!(world.sweep(Command::PurgeExpired(9)).await, 1);
    assert_eq!(world.store.job(canceled.id).await.unwrap(), Found::Purged(canceled.no));
    assert_eq!(world.store.next_expiry(), None);
    assert_eq!(world.found(&waiting).await.job.state, State::Queued);
}

/// In small batches, those first whose time is over longest.
pub async fn purge_expired_takes_the_oldest_few(world: &mut World) {
    let mut jobs = Vec::new();
    for keep in [3_000, 1_000, 2_000] {
        let job = world.create(NewJob { retention: Retention { succeeded: 9, failed: keep }, ..new_job() }).await;
        world.cancel(job.no).await;
        jobs.push(job);
    }
    world.clock.advance(5_000);
    for (next, n) in [(Some(1), 1), (Some(2), 1), (Some(0), 1), (None, 0)] {
        assert_eq!(world.sweep(Command::PurgeExpired(1)).await, n);
        if let Some(index) = next {
            assert_eq!(world.store.job(jobs[index].id).await.unwrap(), Found::Purged(jobs[index].no), "{index}");
        }
    }
}

/// A tombstone lies for its time, then the id is unknown.
pub async fn drops_tombstones(world: &mut World) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let job = world.create(new_job()).await;
        world.cancel(job.no).await;
        world.one(Command::Purge(job.no)).await;
        ids.push(job.id);
        world.clock.advance(1_000);
    }
    world.clock.advance(world.setup.tombstone - 3_001);
    assert_eq!(world.sweep(Command::DropTombstones(9)).await, 0);
    world.clock.advance(1_001);
    assert_eq!(world.sweep(Command::DropTombstones(1)).await, 1);
    assert_eq!(world.store.job(ids[0]).await.unwrap(), Found::Unknown);
    assert_eq!(world.store.job(ids[1]).await.unwrap(), Found::Purged(ids[1].parts().unwrap().0));
    world.clock.advance(1_000);
    assert_eq!(world.sweep(Command::DropTombstones(9)).await, 2);
    assert_eq!(world.sweep(Command::DropTombstones(9)).await, 0);
}

/// Nothing of a purged job can be read any more.
pub async fn takes_everything_of_the_job(world: &mut World) {
    let lease = world.running(new_job()).await;
    let progress = Progress { percent: Some(1.0), ..Progress::default() };
    world.one(Command::Progress(lease, progress)).await;
    for kind in [ChunkKind::Stream, ChunkKind::Log] {
        let bytes = "some".into();
        world.one(Command::Append(Append { lease, kind, offset: None, bytes, content_type: None, limit: 99 })).await;
    }
    world.end(lease, complete("1")).await;
    let LeaseRef { no, attempt } = lease;
    world.one(Command::Purge(no)).await;
    assert_eq!(world.store.input(no).await.unwrap(), None);
    assert_eq!(world.store.result(no).await.unwrap(), None);
    for event in world.store.job_events(no, 0, 9).await.unwrap() {
        assert!(matches!(event.data, EventData::Gone(_)), "{event:?}");
    }
    for kind in [ChunkKind::Stream, ChunkKind::Log] {
        assert_eq!(world.store.chunks(no, kind, attempt, 0, 99).await.unwrap(), []);
        assert_eq!(world.store.chunk_info(no, kind, attempt).await.unwrap().size, 0);
    }
}
