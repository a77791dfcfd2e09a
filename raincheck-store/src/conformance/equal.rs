//! Equal `GET` jobs: shared while they go on, cached for a while after.

use raincheck_core::{Cancel, Command, Method, NewJob, Refusal, Reply, State, Submitted};

use super::{World, complete, digest, fail, new_job};

fn get(input: &str) -> NewJob {
    NewJob { method: Method::Get, equal: Some(digest(input)), ..new_job() }
}

/// An equal job that waits or runs is joined, not doubled.
pub async fn waiting_and_running_are_shared(world: &mut World) {
    let job = world.create(get("x")).await;
    let Submitted::Coalesced(shared) = world.submit(get("x")).await else { panic!("not shared") };
    assert_eq!((shared.no, shared.shared, shared.seq), (job.no, 2, 1));
    let lease = world.run_one().await;
    let Submitted::Coalesced(shared) = world.submit(get("x")).await else { panic!("not shared") };
    assert_eq!((shared.no, shared.shared, shared.state), (job.no, 3, State::Running));
    world.create(get("y")).await;
    world.end(lease, complete("1")).await;
    let next = world.create(get("x")).await;
    assert_ne!(next.no, job.no, "without an age, what is done is done again");
}

/// A refused batch leaves nothing behind, nor on a running job that it would have joined.
pub async fn a_refused_batch_joins_nothing(world: &mut World) {
    let keyed = |print: &str| {
        let mut new = NewJob { fingerprint: digest(print), ..new_job() };
        new.spec.key = Some("key".into());
        new
    };
    let lease = world.running(get("x")).await;
    world.create(keyed("a")).await;
    let reply = world.one(Command::Submit(vec![get("x"), keyed("b")])).await;
    assert!(matches!(reply, Reply::Refused(1, Refusal::KeyReused(_))), "{reply:?}");
    assert_eq!(world.record(lease.no).await.job.shared, 1);
    assert_eq!(world.end(lease, complete("1")).await.shared, 1);
}

/// Others wait for it too, so one caller cannot call it off.
pub async fn a_shared_job_is_not_canceled_unless_forced(world: &mut World) {
    let job = world.create(get("x")).await;
    world.submit(get("x")).await;
    assert!(matches!(world.cancel(job.no).await, Reply::Shared(_)));
    assert_eq!(world.record(job.no).await.job.state, State::Queued);
    let Reply::Job(job) = world.one(Command::Cancel(Cancel { no: job.no, force: true, seq: None })).await else {
        panic!()
    };
    assert_eq!(job.state, State::Canceled);
}

/// An equal job that succeeded recently enough answers; a failed one never does.
pub async fn succeeded_answers_within_its_age(world: &mut World) {
    let job = world.create(get("x")).await;
    let lease = world.run_one().await;
    world.end(lease, complete("1")).await;
    world.clock.advance(5_000);
    let aged = |age| NewJob { max_age: Some(age), ..get("x") };
    let Submitted::Cached(cached) = world.submit(aged(5_000)).await else { panic!("not cached") };
    assert_eq!((cached.no, cached.shared), (job.no, 1));
    let newer = world.create(aged(4_999)).await;
    let lease = world.run_one().await;
    let raincheck_core::Outcome::Fail { failure, .. } = fail("no") else { unreachable!() };
    world.end(lease, raincheck_core::Outcome::Fail { failure, retryable: false, retry_after: None }).await;
    assert_ne!(world.create(aged(1_000_000)).await.no, newer.no);
}

/// Equal means the newest such job; the older one is not found again.
pub async fn a_newer_one_takes_the_place(world: &mut World) {
    world.create(get("x")).await;
    let lease = world.run_one().await;
    world.end(lease, complete("1")).await;
    let second = world.create(get("x")).await;
    assert_eq!(world.submit(get("x")).await.job().no, second.no);
    world.cancel(second.no).await;
    world.one(Command::Cancel(Cancel { no: second.no, force: true, seq: None })).await;
    world.one(Command::Purge(second.no)).await;
    let third = world.create(NewJob { max_age: Some(1_000_000), ..get("x") }).await;
    assert!(third.no > second.no, "a purged job answers nobody");
}

/// A key given with a joined or cached job stands for that job from then on.
pub async fn attaches_the_key(world: &mut World) {
    let job = world.create(get("x")).await;
    let keyed = |key: &str| {
        let mut new = NewJob { max_age: Some(1_000), fingerprint: digest("x"), ..get("x") };
        new.spec.key = Some(key.into());
        new
    };
    assert!(matches!(world.submit(keyed("a")).await, Submitted::Coalesced(_)));
    let lease = world.run_one().await;
    world.end(lease, complete("1")).await;
    assert!(matches!(world.submit(keyed("b")).await, Submitted::Cached(_)));
    world.clock.advance(10_000);
    for key in ["a", "b"] {
        let Submitted::Replayed(again) = world.submit(keyed(key)).await else { panic!("not replayed") };
        assert_eq!((again.no, again.shared), (job.no, 2), "a replay does not share");
    }
    let other = NewJob { fingerprint: digest("y"), ..keyed("a") };
    assert_eq!(world.refused(other).await, Refusal::KeyReused(job.id));
}

/// A job on its way to be canceled is nothing to wait for.
pub async fn a_job_asked_to_stop_is_not_joined(world: &mut World) {
    let lease = world.running(get("x")).await;
    world.cancel(lease.no).await;
    let next = world.create(get("x")).await;
    assert_ne!(next.no, lease.no);
}

/// What changes state is never shared.
pub async fn posts_never_coalesce(world: &mut World) {
    let first = world.create(new_job()).await;
    let second = world.create(new_job()).await;
    assert_ne!(first.no, second.no);
    world.create(NewJob { equal: None, ..get("x") }).await;
    world.create(NewJob { equal: None, ..get("x") }).await;
}
