//! What operators set on queues, and caps of kinds.

use raincheck_core::{Command, LeaseRef, QueuePatch, QueueSettings, Reply};

use super::{KIND, QUEUE, World, complete, name, new_job, new_of, worker_asks};

async fn set(world: &World, queue: &str, patch: QueuePatch) -> QueueSettings {
    match world.one(Command::SetQueue(name(queue), patch)).await {
        Reply::Queue(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn concurrency(n: Option<u32>) -> QueuePatch {
    QueuePatch { concurrency: Some(n), ..QueuePatch::default() }
}

fn paused(on: bool) -> QueuePatch {
    QueuePatch { paused: Some(on), ..QueuePatch::default() }
}

/// A change that is meant for other settings than there are does nothing, and makes no queue.
pub async fn settings_of_others_stay(world: &mut World) {
    let seen = QueueSettings::default();
    let meant_for = |expected: &QueueSettings, patch| QueuePatch { expected: Some(expected.clone()), ..patch };
    let set_now = set(world, QUEUE, meant_for(&seen, concurrency(Some(3)))).await;
    for queue in [QUEUE, "new"] {
        let expected = if queue == QUEUE { &seen } else { &set_now };
        let refused = world.one(Command::SetQueue(name(queue), meant_for(expected, paused(true)))).await;
        assert_eq!(refused, Reply::OtherVersion(None), "{queue}");
    }
    assert_eq!(world.store.queue(&name(QUEUE)).unwrap().settings, set_now);
    assert!(world.store.queue(&name("new")).is_none());
    assert!(set(world, QUEUE, meant_for(&set_now, paused(true))).await.paused);
}

/// Settings change one by one, make their queue, and outlive a restart.
pub async fn settings_are_kept(world: &mut World) {
    set(world, "new", paused(true)).await;
    let settings = set(world, "new", QueuePatch { max_queued: Some(Some(7)), ..concurrency(Some(3)) }).await;
    assert_eq!(settings, QueueSettings { paused: true, max_queued: Some(7), concurrency: Some(3) });
    assert_eq!(world.store.queue(&name("new")).unwrap().settings, settings);
    world.restart().await;
    assert_eq!(world.store.queue(&name("new")).unwrap().settings, settings);
    assert_eq!(world.store.stats().await.unwrap().queues.len(), 1);
    let settings = set(world, "new", concurrency(None)).await;
    assert_eq!(settings, QueueSettings { paused: true, max_queued: Some(7), concurrency: None });
    assert_eq!(world.store.queue(&name("unheard-of")), None);
}

/// A paused queue takes submits and hands out nothing; what runs goes on.
pub async fn paused_hands_out_nothing(world: &mut World) {
    let lease = world.running(new_job()).await;
    set(world, QUEUE, paused(true)).await;
    world.create(new_job()).await;
    let elsewhere = world.create(new_of("elsewhere", KIND)).await;
    let leased = world.lease(9).await;
    assert_eq!(leased.iter().map(|(job, _)| job.no).collect::<Vec<_>>(), [elsewhere.no]);
    world.end(lease, complete("1")).await;
    set(world, QUEUE, paused(false)).await;
    assert_eq!(world.lease(9).await.len(), 1);
}

/// Never more running jobs of a queue than it may have, over all its kinds and however it is asked.
pub async fn concurrency_holds(world: &mut World) {
    set(world, QUEUE, concurrency(Some(3))).await;
    for n in 0..10 {
        world.create(new_of(QUEUE, ["x", "y", "z"][n % 3])).await;
    }
    let kinds = ["x", "y", "z"];
    let first = world.ask(worker_asks(&kinds, 2)).await;
    let rest = world.ask(worker_asks(&kinds, 9)).await;
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert!(world.ask(worker_asks(&kinds, 9)).await.is_empty());
    world.restart().await;
    assert!(world.ask(worker_asks(&kinds, 9)).await.is_empty());
    world.end(first[0].0.lease_ref(), complete("1")).await;
    let both = vec![Command::Lease(worker_asks(&kinds, 9)), Command::Lease(worker_asks(&kinds, 9))];
    let replies = world.store.apply(both).await.unwrap();
    assert!(matches!(&replies[..], [Reply::Leased(one), Reply::Leased(none)] if one.len() == 1 && none.is_empty()));
    set(world, QUEUE, concurrency(Some(0))).await;
    world.end(rest[0].0.lease_ref(), complete("1")).await;
    assert!(world.ask(worker_asks(&kinds, 9)).await.is_empty(), "fewer than run already is no panic");
}

/// Never more running jobs of a kind than it may have, over all queues.
pub async fn kind_cap_holds(world: &mut World) {
    world.store.cap_kind(&name("scarce"), Some(2));
    for n in 0..8 {
        world.create(new_of(["a", "b"][n % 2], ["scarce", "plenty"][n / 4])).await;
    }
    let kinds = ["scarce", "plenty"];
    let leased = world.ask(worker_asks(&kinds, 99)).await;
    let scarce: Vec<LeaseRef> =
        leased.iter().filter(|(job, _)| job.kind == name("scarce")).map(|(job, _)| job.lease_ref()).collect();
    assert_eq!((leased.len(), scarce.len()), (6, 2));
    world.end(scarce[0], complete("1")).await;
    assert_eq!(world.ask(worker_asks(&kinds, 99)).await.len(), 1);
    world.store.cap_kind(&name("scarce"), None);
    assert_eq!(world.ask(worker_asks(&kinds, 99)).await.len(), 1);
}

/// A job that its kind's cap holds back does not use up the room of its queue.
pub async fn caps_of_queue_and_kind_do_not_eat_each_other(world: &mut World) {
    world.store.cap_kind(&name("scarce"), Some(1));
    set(world, "narrow", concurrency(Some(1))).await;
    let first = world.create(new_of("wide", "scarce")).await;
    world.create(new_of("narrow", "scarce")).await;
    let second = world.create(new_of("narrow", "plenty")).await;
    let leased = world.ask(worker_asks(&["scarce", "plenty"], 9)).await;
    assert_eq!(leased.iter().map(|(job, _)| job.no).collect::<Vec<_>>(), [first.no, second.no]);
}
