//! Idempotency keys.

use raincheck_core::{Command, NewJob, Refusal, Reply, Submitted};

use super::{World, complete, digest, name, new_job, new_of};
use crate::Filter;

fn keyed(key: &str, content: &str) -> NewJob {
    let mut new = new_job();
    (new.spec.key, new.fingerprint) = (Some(key.into()), digest(content));
    new
}

/// The same key and content get the same job, as it is now, whatever became of it.
pub async fn replays_the_same_content(world: &mut World) {
    let job = world.create(keyed("a", "x")).await;
    assert_eq!(world.submit(keyed("a", "x")).await, Submitted::Replayed(job.clone()));
    let lease = world.run_one().await;
    let ended = world.end(lease, complete("1")).await;
    assert_eq!(world.submit(keyed("a", "x")).await, Submitted::Replayed(ended));
    world.restart().await;
    assert_eq!(world.submit(keyed("a", "x")).await.job().id, job.id);
    assert_eq!(world.published().len(), 3, "a replay is no event");
}

/// The same key with other content is refused, and changes nothing.
pub async fn refuses_other_content(world: &mut World) {
    let job = world.create(keyed("a", "x")).await;
    assert_eq!(world.refused(keyed("a", "y")).await, Refusal::KeyReused(job.id));
    assert_eq!(world.submit(keyed("a", "x")).await, Submitted::Replayed(job));
}

/// Concurrent duplicates get one job and the same answer, and never no job at all.
pub async fn sixty_four_duplicates_get_one_job(world: &mut World) {
    for round in 0..20 {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let store = world.store.clone();
            let new = keyed(&format!("key-{round}"), "x");
            calls.spawn(async move { store.apply(vec![Command::Submit(vec![new])]).await.unwrap() });
        }
        let (mut fresh, mut ids) = (0, std::collections::HashSet::new());
        for replies in calls.join_all().await {
            let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
            fresh += usize::from(matches!(all[0], Submitted::New(_)));
            ids.insert(all[0].job().id);
        }
        assert_eq!((fresh, ids.len()), (1, 1), "round {round}");
    }
}

/// One key in two queues is two keys.
pub async fn are_scoped_by_queue(world: &mut World) {
    let here = world.create(keyed("a", "x")).await;
    let mut there = new_of("elsewhere", "k");
    (there.spec.key, there.fingerprint) = (Some("a".into()), digest("y"));
    let there = world.create(there).await;
    assert_ne!(here.id, there.id);
}

/// A purged job's key is taken until its tombstone is dropped, then free.
pub async fn of_a_purged_job_stay_taken_until_dropped(world: &mut World) {
    let job = world.create(keyed("a", "x")).await;
    world.cancel(job.no).await;
    assert!(matches!(world.one(Command::Purge(job.no)).await, Reply::Purged(_)));
    for content in ["x", "y"] {
        assert_eq!(world.refused(keyed("a", content)).await, Refusal::Purged(job.id));
    }
    world.restart().await;
    assert_eq!(world.sweep(Command::DropTombstones(10)).await, 0);
    assert_eq!(world.refused(keyed("a", "x")).await, Refusal::Purged(job.id));
    world.clock.advance(world.setup.tombstone);
    assert_eq!(world.sweep(Command::DropTombstones(10)).await, 1);
    let again = world.create(keyed("a", "y")).await;
    assert_ne!(again.id, job.id);
}

/// A key twice in one batch is one job.
pub async fn twice_in_a_batch_are_one_job(world: &mut World) {
    let batch = vec![keyed("a", "x"), keyed("a", "x")];
    let Reply::Submitted(all) = world.one(Command::Submit(batch)).await else { panic!("not taken") };
    assert!(matches!(&all[0], Submitted::New(_)));
    assert_eq!(all[1], Submitted::Replayed(all[0].job().clone()));
}

/// A client that lost its handle finds its job by the key, narrowed by everything else it may ask for.
pub async fn find_their_job_in_the_list(world: &mut World) {
    let mut jobs = Vec::new();
    for queue in ["a", "b", "c"] {
        // A name that a refused job used leaves no queue behind, and no hole that hides the next.
        let bad = vec![new_of(&format!("refused-{queue}"), "k"), keyed("taken", "1"), keyed("taken", "2")];
        assert!(matches!(world.one(Command::Submit(bad)).await, Reply::Refused(2, _)));
        let mut new = new_of(queue, if queue == "b" { "other" } else { "k" });
        new.spec.key = Some("mine".into());
        jobs.push(world.create(new).await);
    }
    world.restart().await;
    let found = async |filter: Filter| {
        let page = world.store.jobs(Filter { key: Some("mine".into()), ..filter }, 10).await.unwrap();
        assert_eq!(page.next, None);
        page.items.into_iter().map(|record| record.job.no).collect::<Vec<_>>()
    };
    assert_eq!(found(Filter::default()).await, [jobs[2].no, jobs[1].no, jobs[0].no], "newest first");
    assert_eq!(found(Filter { queues: name("b").into(), ..Filter::default() }).await, [jobs[1].no]);
    assert_eq!(found(Filter { kinds: name("other").into(), ..Filter::default() }).await, [jobs[1].no]);
    assert_eq!(found(Filter { before: Some(jobs[2].no), ..Filter::default() }).await, [jobs[1].no, jobs[0].no]);
    assert_eq!(found(Filter { queues: name("none").into(), ..Filter::default() }).await, []);
    let first = world.store.jobs(Filter { key: Some("mine".into()), ..Filter::default() }, 2).await.unwrap();
    assert_eq!((first.items.len(), first.next), (2, Some(jobs[1].no)));
}
