use raincheck_core::{FailureCode, NewJob, Retention, State};
use raincheck_store::Found;

use crate::bed::{Bed, new_job};

#[tokio::test]
async fn a_job_not_started_in_time_fails() {
    let bed = Bed::new().await;
    let start_by = Some(bed.engine.now().plus(10_000));
    let job = bed.submit(NewJob { start_by, ..new_job() }).await;
    bed.clock.advance(10_001);
    let record = bed.done(&job).await;
    assert_eq!((record.job.state, record.failure.unwrap().code), (State::Failed, FailureCode::Expired));
    bed.engine.stop().await;
}

#[tokio::test]
async fn a_scheduled_job_becomes_due() {
    let bed = Bed::new().await;
    let job = bed.submit(NewJob { delay: 3_600_000, ..new_job() }).await;
    bed.clock.advance(3_600_000);
    assert_eq!(bed.lease().await.job.id, job.id);
    bed.engine.stop().await;
}

#[tokio::test]
async fn finished_jobs_are_purged_in_time_and_forgotten_later() {
    let bed = Bed::with(|options| options.tombstone = 100_000).await;
    let retention = Retention { succeeded: 50_000, failed: 500_000 };
    let jobs = bed.engine.submit((0..300).map(|_| NewJob { retention, ..new_job() }).collect()).await.unwrap();
    let (first, last) = (jobs[0].job().clone(), jobs[299].job().clone());
    for _ in 0..299 {
        bed.complete(bed.lease().await.job.lease_ref()).await;
    }
    bed.clock.advance(50_000);
    // Retention makes no events: the fact is read until it holds.
    while !matches!(bed.engine.job(first.id).await.unwrap(), Found::Purged) || purged(&bed) < 299 {
        tokio::task::yield_now().await;
    }
    assert_eq!(purged(&bed), 299);
    assert_eq!(bed.record(&last).await.job.state, State::Queued, "an unfinished job stays");
    bed.clock.advance(100_001);
    while !matches!(bed.engine.job(first.id).await.unwrap(), Found::Unknown) {
        tokio::task::yield_now().await;
    }
    bed.engine.stop().await;
}

fn purged(bed: &Bed) -> u64 {
    bed.engine.counters().purged.load(std::sync::atomic::Ordering::Relaxed)
}
