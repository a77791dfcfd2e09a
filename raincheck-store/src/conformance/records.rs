//! What a reader is shown of a job besides its state.

use bytes::Bytes;
use raincheck_core::{Command, EventData, LeaseRef, Outcome, Progress, Reply, State};

use super::{World, complete, fail, new_job};

fn report(percent: f64) -> Progress {
    Progress {
        percent: Some(percent),
        current: Some(u64::MAX),
        total: Some(0),
        message: Some("pass \"1\" \u{1F680}\n".into()),
        data: Some(Bytes::from_static(br#"{"a":[1, 2.50,"x"]}"#)),
    }
}

/// The latest progress and failure, member by member; the failure stays while the job goes on.
pub async fn progress_and_failure_show(world: &mut World) {
    let lease = world.running(new_job()).await;
    assert_eq!(world.record(lease.no).await.progress, None);
    for percent in [0.1, 42.5] {
        let reply = world.one(Command::Progress(lease, report(percent))).await;
        assert!(matches!(reply, Reply::Job(job) if job.state == State::Running && job.attempt == 1));
        assert_eq!(world.record(lease.no).await.progress, Some(report(percent)));
    }
    world.one(Command::Progress(lease, Progress::default())).await;
    assert_eq!(world.record(lease.no).await.progress, Some(Progress::default()), "the latest wins, whole");
    world.one(Command::Progress(lease, report(50.0))).await;
    world.end(lease, fail("a \"b\" \\ c\u{0}d")).await;
    world.restart().await;
    let record = world.record(lease.no).await;
    assert_eq!(record.progress, Some(report(50.0)));
    assert_eq!(record.failure.unwrap().detail.as_deref(), Some("a \"b\" \\ c\u{0}d"));
    assert_eq!(record.result, None);
}

/// Results of many at once are what each shows, in the order in which they are asked for, be they there or not.
pub async fn results_of_many(world: &mut World) {
    let mut jobs = Vec::new();
    for n in 0..4 {
        let lease = world.running(new_job()).await;
        world.end(lease, complete(&n.to_string())).await;
        jobs.push(lease.no);
    }
    jobs.push(world.create(new_job()).await.no);
    world.one(Command::Purge(jobs[1])).await;
    let asked: Vec<_> = [3, 1, 0, 4, 0, 2].map(|at| jobs[at]).into();
    let results = world.store.results(&asked).await.unwrap();
    let values: Vec<_> =
        results.iter().map(|result| result.as_ref().map(|result| result.value.clone().unwrap())).collect();
    let [zero, two, three] = ["0", "2", "3"].map(|value| Some(Bytes::from_static(value.as_bytes())));
    assert_eq!(values, [three, None, zero.clone(), None, zero, two]);
    for (no, result) in asked.iter().zip(&results).filter(|(_, result)| result.is_some()) {
        assert_eq!(*result, world.record(*no).await.result);
    }
    assert_eq!(world.store.results(&[]).await.unwrap(), []);
}

/// Only the present run reports.
pub async fn progress_guards(world: &mut World) {
    let lease = world.running(new_job()).await;
    let other = LeaseRef { attempt: 2, ..lease };
    assert!(matches!(world.one(Command::Progress(other, report(1.0))).await, Reply::LeaseLost(_)));
    world.end(lease, complete("1")).await;
    assert!(matches!(world.one(Command::Progress(lease, report(1.0))).await, Reply::LeaseLost(_)));
    assert_eq!(world.record(lease.no).await.progress, None);
    assert_eq!(world.published().len(), 3);
}

/// Events read back as they were published, data and all.
pub async fn everything_survives_in_events(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.one(Command::Progress(lease, report(12.5))).await;
    world.end(lease, fail("'; DROP TABLE job; --")).await;
    world.one(Command::RunNow(lease.no, None)).await;
    let lease = world.run_one().await;
    world.clock.advance(10_000);
    world.end(lease, Outcome::Lost).await;
    let lease = world.run_one().await;
    world.end(lease, Outcome::Release { delay: 0 }).await;
    let lease = world.run_one().await;
    world.cancel(lease.no).await;
    world.end(lease, Outcome::Release { delay: 0 }).await;
    let published = world.published().to_vec();
    world.restart().await;
    assert_eq!(world.store.job_events(lease.no, 0, 99).await.unwrap(), published);
    let story =
        "created started progress retrying queued started lost started released started cancel_requested canceled";
    assert_eq!(world.story(lease.no).await, story);
    assert_eq!(published[2].data, EventData::Progress(report(12.5)));
}
