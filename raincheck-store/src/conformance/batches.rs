//! Batches under a request id.

use std::collections::HashSet;

use raincheck_core::{
    Again, Batch, BatchName, Command, Job, JobId, Method, NewJob, QueuePatch, Refusal, Reply, Submitted,
};

use super::{World, digest, name, new_job, new_of};
use crate::Filter;

fn batch(id: &str, content: &str, jobs: Vec<NewJob>) -> Command {
    Command::SubmitBatch(Batch { name: BatchName { id: id.into(), fingerprint: digest(content) }, jobs })
}

fn some(count: usize) -> Vec<NewJob> {
    vec![new_job(); count]
}

async fn taken(world: &World, command: Command) -> Vec<Submitted> {
    match world.one(command).await {
        Reply::Submitted(all) => all,
        other => panic!("not taken: {other:?}"),
    }
}

async fn again(world: &World, command: Command) -> Vec<Again> {
    match world.one(command).await {
        Reply::Again(all) => all,
        other => panic!("not taken before: {other:?}"),
    }
}

fn here(jobs: &[Submitted]) -> Vec<Again> {
    jobs.iter().map(|one| Again::Here(one.job().clone())).collect()
}

async fn end(world: &World, job: &Job) {
    world.cancel(job.no).await;
}

/// The same request id and content get the same jobs in the same order, as they are now, also after a restart.
pub async fn again_are_the_same_jobs(world: &mut World) {
    let jobs = taken(world, batch("a", "x", some(3))).await;
    assert!(jobs.iter().all(|one| matches!(one, Submitted::New(_))));
    assert_eq!(again(world, batch("a", "x", some(3))).await, here(&jobs));
    end(world, jobs[1].job()).await;
    let mut now = here(&jobs);
    now[1] = Again::Here(world.record(jobs[1].job().no).await.job);
    assert_eq!(again(world, batch("a", "x", some(3))).await, now);
    world.restart().await;
    assert_eq!(again(world, batch("a", "x", some(3))).await, now);
    assert_eq!(world.published().len(), 4, "a batch again is no event");
    // Within one transaction as well.
    let [first, second] = [(); 2].map(|()| batch("b", "x", some(2)));
    let replies = world.store.apply(vec![first, second]).await.unwrap();
    let [Reply::Submitted(jobs), Reply::Again(same)] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!(*same, here(jobs));
}

/// The same request id with other content is refused, and makes nothing.
pub async fn of_other_content_are_refused(world: &mut World) {
    let jobs = taken(world, batch("a", "x", some(2))).await;
    assert_eq!(world.one(batch("a", "y", some(2))).await, Reply::Refused(0, Refusal::BatchReused));
    assert_eq!(again(world, batch("a", "x", some(2))).await, here(&jobs));
    let page = world.store.jobs(Filter::default(), 10).await.unwrap();
    assert_eq!(page.items.len(), 2);
}

/// A batch that was refused leaves its request id free.
pub async fn refused_ones_are_not_remembered(world: &mut World) {
    let bound =
        |most| Command::SetQueue(name("q"), QueuePatch { max_queued: Some(Some(most)), ..QueuePatch::default() });
    world.one(bound(2)).await;
    let full = Refusal::QueueFull(name("q"), 2);
    assert_eq!(world.one(batch("a", "x", some(3))).await, Reply::Refused(2, full.clone()));
    assert_eq!(world.one(batch("a", "y", some(4))).await, Reply::Refused(2, full));
    world.one(bound(3)).await;
    let jobs = taken(world, batch("a", "x", some(3))).await;
    assert_eq!(again(world, batch("a", "x", some(3))).await, here(&jobs), "a full queue is no reason to refuse it");
}

/// Concurrent duplicates get one batch, all of the same jobs.
pub async fn sixty_four_at_once_are_one(world: &mut World) {
    for round in 0..10 {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let store = world.store.clone();
            let command = batch(&format!("batch-{round}"), "x", some(3));
            calls.spawn(async move { store.apply(vec![command]).await.unwrap() });
        }
        let (mut fresh, mut ids) = (0, HashSet::new());
        for replies in calls.join_all().await {
            ids.insert(match &replies[..] {
                [Reply::Submitted(all)] => {
                    fresh += 1;
                    all.iter().map(|one| one.job().id).collect::<Vec<JobId>>()
                }
                [Reply::Again(all)] => all
                    .iter()
                    .map(|one| match one {
                        Again::Here(job) => job.id,
                        Again::Purged(id) => *id,
                    })
                    .collect(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!((fresh, ids.len()), (1, 1), "round {round}");
    }
}

/// Whatever a batch came to is found again: jobs of other queues, jobs that were there, one job twice.
pub async fn lead_to_whatever_they_came_to(world: &mut World) {
    let keyed = |key: &str| NewJob { fingerprint: digest("x"), ..with_key(new_job(), key) };
    let get = || NewJob { method: Method::Get, equal: Some(digest("equal")), ..new_of("other", "k") };
    let chosen: JobId = "9f1c2c3d-4e5f-4a6b-8c7d-123456789abc".parse().unwrap();
    let given = || NewJob { id: Some(chosen), fingerprint: digest("x"), ..new_of("third", "k") };
    for before in [keyed("old"), given(), get()] {
        world.create(before).await;
    }
    let all =
        || vec![new_job(), get(), keyed("new"), keyed("old"), given(), keyed("new"), get(), new_of("fourth", "l")];
    let jobs = taken(world, batch("a", "x", all())).await;
    let mut now = Vec::new();
    for one in &jobs {
        now.push(Again::Here(world.record(one.job().no).await.job));
    }
    assert_eq!(again(world, batch("a", "x", all())).await, now);
    world.restart().await;
    assert_eq!(again(world, batch("a", "x", all())).await, now);
    let long = taken(world, batch("long", "x", some(1_000))).await;
    assert_eq!(again(world, batch("long", "x", some(1_000))).await, here(&long));
}

fn with_key(mut new: NewJob, key: &str) -> NewJob {
    new.spec.key = Some(key.into());
    new
}

/// Jobs that were purged since are said to be gone, those whose time is over among them.
pub async fn say_what_was_purged(world: &mut World) {
    let jobs = taken(world, batch("a", "x", some(3))).await;
    let [first, _, third] = [0, 1, 2].map(|index| jobs[index].job().clone());
    end(world, &first).await;
    assert!(matches!(world.one(Command::Purge(first.no)).await, Reply::Purged(_)));
    let mut now = here(&jobs);
    now[0] = Again::Purged(first.id);
    assert_eq!(again(world, batch("a", "x", some(3))).await, now);
    end(world, &third).await;
    world.clock.advance(third.retention.failed);
    now[2] = Again::Purged(third.id);
    assert_eq!(again(world, batch("a", "x", some(3))).await, now);
    assert_eq!(world.one(batch("a", "y", some(3))).await, Reply::Refused(0, Refusal::BatchReused));
}

/// A request id is taken for as long as one of its jobs is remembered, whichever that is; then it is free.
pub async fn live_as_long_as_one_of_their_jobs(world: &mut World) {
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let jobs = taken(world, batch("a", "x", some(3))).await;
        let purge = async |world: &World, place: usize| {
            let job = jobs[place].job();
            end(world, job).await;
            assert!(matches!(world.one(Command::Purge(job.no)).await, Reply::Purged(_)));
        };
        // The first one is forgotten alone, the others one after the other.
        purge(world, order[0]).await;
        assert!(again(world, batch("a", "x", some(3))).await.contains(&Again::Purged(jobs[order[0]].job().id)));
        world.clock.advance(world.setup.tombstone);
        assert_eq!(world.sweep(Command::DropTombstones(10)).await, 1);
        world.restart().await;
        let forgotten = Reply::Refused(order[0], Refusal::BatchForgotten);
        assert_eq!(world.one(batch("a", "x", some(3))).await, forgotten, "{order:?}");
        purge(world, order[1]).await;
        world.clock.advance(1);
        purge(world, order[2]).await;
        world.clock.advance(world.setup.tombstone);
        assert_eq!(world.sweep(Command::DropTombstones(1)).await, 1);
        assert!(matches!(world.one(batch("a", "x", some(3))).await, Reply::Refused(_, Refusal::BatchForgotten)));
        assert_eq!(world.sweep(Command::DropTombstones(10)).await, 1);
        let anew = taken(world, batch("a", "y", some(1))).await;
        end(world, anew[0].job()).await;
        assert!(matches!(world.one(Command::Purge(anew[0].job().no)).await, Reply::Purged(_)));
        world.clock.advance(world.setup.tombstone);
        assert_eq!(world.sweep(Command::DropTombstones(10)).await, 1);
    }
}
