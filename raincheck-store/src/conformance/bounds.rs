//! How much may wait.

use raincheck_core::{Command, NewJob, QueuePatch, Refusal, Reply, Submitted};

use super::{QUEUE, World, complete, digest, name, new_job, new_of};

async fn with(world: &mut World, max_queued: u64, max_in_all: u64) {
    (world.setup.max_queued, world.setup.max_in_all) = (max_queued, max_in_all);
    world.restart().await;
}

/// A queue takes as many as may wait in it; what runs does not count.
pub async fn of_a_queue(world: &mut World) {
    with(world, 2, 100).await;
    world.create(new_job()).await;
    world.create(NewJob { delay: 1_000, ..new_job() }).await;
    assert_eq!(world.refused(new_job()).await, Refusal::QueueFull(name(QUEUE), 2));
    world.create(new_of("another", "k")).await;
    let lease = world.lease(1).await[0].0.lease_ref();
    world.create(new_job()).await;
    assert_eq!(world.refused(new_job()).await, Refusal::QueueFull(name(QUEUE), 2));
    world.end(lease, complete("1")).await;
    let batch = vec![new_of("third", "k"), new_of("third", "k"), new_of("third", "k")];
    assert_eq!(world.one(Command::Submit(batch)).await, Reply::Refused(2, Refusal::QueueFull(name("third"), 2)));
}

/// The whole store has a bound of its own.
pub async fn of_the_whole_store(world: &mut World) {
    with(world, 100, 2).await;
    world.create(new_of("a", "k")).await;
    world.create(new_of("b", "k")).await;
    assert_eq!(world.refused(new_of("c", "k")).await, Refusal::StoreFull(2));
    world.restart().await;
    assert_eq!(world.refused(new_of("c", "k")).await, Refusal::StoreFull(2));
    world.lease(1).await;
    world.create(new_of("c", "k")).await;
}

/// What the operator set on a queue wins over the default, both ways.
pub async fn of_a_queue_by_its_setting(world: &mut World) {
    with(world, 1, 100).await;
    let bound = |n| QueuePatch { max_queued: Some(n), ..QueuePatch::default() };
    world.one(Command::SetQueue(name(QUEUE), bound(Some(2)))).await;
    world.create(new_job()).await;
    world.create(new_job()).await;
    assert_eq!(world.refused(new_job()).await, Refusal::QueueFull(name(QUEUE), 2));
    world.one(Command::SetQueue(name(QUEUE), bound(None))).await;
    world.lease(1).await;
    assert_eq!(world.refused(new_job()).await, Refusal::QueueFull(name(QUEUE), 1));
    world.one(Command::SetQueue(name(QUEUE), bound(Some(0)))).await;
    world.lease(1).await;
    assert_eq!(world.refused(new_job()).await, Refusal::QueueFull(name(QUEUE), 0));
}

/// A full queue still answers what it answered before: keys, chosen ids, equal jobs.
pub async fn replays_pass_a_full_queue(world: &mut World) {
    with(world, 1, 1).await;
    let mut new = NewJob {
        method: raincheck_core::Method::Get,
        equal: Some(digest("e")),
        fingerprint: digest("x"),
        id: Some(raincheck_core::JobId(uuid::Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef))),
        ..new_job()
    };
    new.spec.key = Some("a".into());
    let job = world.create(new.clone()).await;
    assert!(matches!(world.refused(new_job()).await, Refusal::StoreFull(1)));
    assert!(matches!(world.submit(new.clone()).await, Submitted::Existing(found) if found.no == job.no));
    new.id = None;
    assert!(matches!(world.submit(new.clone()).await, Submitted::Replayed(found) if found.no == job.no));
    new.spec.key = None;
    assert!(matches!(world.submit(new).await, Submitted::Coalesced(found) if found.no == job.no));
}
