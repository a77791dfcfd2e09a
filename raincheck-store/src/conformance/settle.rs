//! The end of a run: recorded once, by the run it belongs to.

use bytes::Bytes;
use raincheck_core::{Content, EventType, FailureCode, JobNo, LeaseRef, Outcome, Payload, Reply, State};

use super::check::whole_feed;
use super::{World, complete, content, digest, fail, new_job};

/// A completed run: the result, the final event, the time it will be kept.
pub async fn complete_records_result_and_end(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.clock.advance(3_000);
    let job = world.end(lease, complete("[1,2]")).await;
    assert_eq!((job.state, job.seq, job.attempt, job.failures), (State::Succeeded, 3, 1, 0));
    assert_eq!(job.finished_at, job.started_at.map(|at| at.plus(3_000)));
    assert_eq!(job.expires_at, job.finished_at.map(|at| at.plus(job.retention.succeeded)));
    let record = world.record(job.no).await;
    assert_eq!(record.job, job);
    let info = record.result.unwrap();
    assert_eq!((info.size, info.digest, info.value.as_deref()), (5, digest("[1,2]"), Some(&b"[1,2]"[..])));
    assert_eq!(world.store.result(job.no).await.unwrap().unwrap(), content("[1,2]"));
    assert_eq!(world.story(job.no).await, "created started succeeded");
    assert_eq!(world.store.worker(lease), None);
}

/// The answer was lost, the worker says it again: the same answer, no second event.
pub async fn complete_again_is_the_same_answer(world: &mut World) {
    let lease = world.running(new_job()).await;
    let job = world.end(lease, complete("1")).await;
    world.restart().await;
    assert_eq!(world.settle(lease, complete("1")).await, Reply::Job(job.clone()));
    assert_eq!(world.story(job.no).await, "created started succeeded");
}

/// A second, different result is not taken.
pub async fn complete_again_with_other_content_is_lost(world: &mut World) {
    let lease = world.running(new_job()).await;
    let job = world.end(lease, complete("1")).await;
    let typed = Content { content_type: Some("text/plain".into()), ..content("1") };
    let named = Content { filename: Some("one.json".into()), ..content("1") };
    for other in [content("2"), typed, named] {
        assert_eq!(world.settle(lease, Outcome::Complete(other)).await, Reply::LeaseLost(job.clone()));
    }
    assert_eq!(world.store.result(job.no).await.unwrap().unwrap(), content("1"));
    let earlier = LeaseRef { attempt: 0, ..lease };
    assert_eq!(world.settle(earlier, complete("1")).await, Reply::LeaseLost(job));
}

fn ends() -> [Outcome; 5] {
    [complete("x"), fail("x"), Outcome::Release { delay: 0 }, Outcome::Lost, Outcome::TimedOut]
}

/// A run that is not the present one ends nothing.
pub async fn wrong_attempt_changes_nothing(world: &mut World) {
    let first = world.running(new_job()).await;
    world.end(first, Outcome::Release { delay: 0 }).await;
    let before = (world.record(first.no).await, whole_feed(&*world.store).await);
    for outcome in ends() {
        let reply = world.settle(first, outcome.clone()).await;
        assert!(matches!(
            (&reply, &outcome),
            (Reply::LeaseLost(_), _) | (Reply::Job(_), Outcome::Lost | Outcome::TimedOut)
        ));
    }
    let second = world.run_one().await;
    let before = (world.record(first.no).await, before.1.len() + 1);
    for attempt in [0, 1, 3, u32::MAX] {
        for outcome in ends() {
            let reply = world.settle(LeaseRef { attempt, ..second }, outcome.clone()).await;
            assert!(matches!(
                (&reply, &outcome),
                (Reply::LeaseLost(_), _) | (Reply::Job(_), Outcome::Lost | Outcome::TimedOut)
            ));
        }
    }
    assert_eq!((world.record(first.no).await, whole_feed(&*world.store).await.len()), before);
}

/// A final state is never left.
pub async fn after_the_end_changes_nothing(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.cancel(lease.no).await;
    world.end(lease, fail("stopped")).await;
    let before = (world.record(lease.no).await, whole_feed(&*world.store).await);
    world.clock.advance(1_000_000);
    for outcome in ends() {
        let reply = world.settle(lease, outcome.clone()).await;
        assert!(matches!(
            (&reply, &outcome),
            (Reply::LeaseLost(_), _) | (Reply::Job(_), Outcome::Lost | Outcome::TimedOut)
        ));
    }
    assert_eq!((world.record(lease.no).await, whole_feed(&*world.store).await), before);
}

/// What was purged, or never was, is gone.
pub async fn unknown_job_is_gone(world: &mut World) {
    for outcome in ends() {
        assert_eq!(world.settle(LeaseRef { no: JobNo(7), attempt: 1 }, outcome).await, Reply::Gone);
    }
}

/// Results of every kind read back as they were given.
pub async fn result_kinds_read_back(world: &mut World) {
    let bytes = |n: usize| Payload::Inline(Bytes::from(vec![b'7'; n]));
    let text = Some("text/plain; charset=utf-8".into());
    let results = [
        (Content { payload: Payload::Empty, digest: digest("none"), ..Content::default() }, false),
        (Content { payload: bytes(0), digest: digest("empty"), ..Content::default() }, true),
        (Content { payload: bytes(1), content_type: text, filename: Some("a/b".into()), digest: digest("t") }, false),
        (Content { payload: bytes(64 << 10), digest: digest("most"), ..Content::default() }, true),
        (Content { payload: bytes((64 << 10) + 1), digest: digest("more"), ..Content::default() }, false),
    ];
    for (result, shown) in results {
        let lease = world.running(new_job()).await;
        world.end(lease, Outcome::Complete(result.clone())).await;
        assert_eq!(world.store.result(lease.no).await.unwrap(), Some(result.clone()));
        let info = world.record(lease.no).await.result.unwrap();
        assert_eq!((info.size, info.digest), (result.payload.size(), result.digest));
        assert_eq!((&info.content_type, &info.filename), (&result.content_type, &result.filename));
        assert_eq!(info.value.is_some(), shown, "{result:?}");
    }
}

/// Asked to stop: done is done, every other end is a cancellation.
pub async fn every_end_after_a_cancel_request(world: &mut World) {
    for outcome in ends() {
        let is_timeout = outcome == Outcome::TimedOut;
        let new = raincheck_core::NewJob { timeout: if is_timeout { 9_000 } else { 60_000 }, ..new_job() };
        let lease = world.running(new).await;
        assert!(matches!(world.cancel(lease.no).await, Reply::Job(job) if job.cancel_requested));
        world.clock.advance(if is_timeout { 9_000 } else { 10_000 });
        let done = matches!(outcome, Outcome::Complete(_));
        let job = world.end(lease, outcome).await;
        let end = if done { (State::Succeeded, EventType::Succeeded) } else { (State::Canceled, EventType::Canceled) };
        let story = world.story(lease.no).await;
        assert_eq!(story, format!("created started cancel_requested {}", end.1.as_str()));
        assert_eq!(job.state, end.0);
        let code = world.record(lease.no).await.failure.map(|failure| failure.code);
        assert_eq!(code, (!done).then_some(FailureCode::Canceled));
    }
}
