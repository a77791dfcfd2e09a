use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use raincheck_core::interpreter::{FollowUp, Following};
use raincheck_core::{Clock, FailureCode, Job, JobNo, Millis, NewJob, Refusal, Retention, Spec, State, SteadyClock};
use raincheck_engine::{Finish, SubmitError, Until};
use raincheck_store::{Filter, Found};

use crate::test_engine::{TestEngine, new_job};

#[tokio::test]
async fn a_job_not_started_in_time_fails() {
    let test = TestEngine::new().await;
    let start_by = Some(test.engine.now().plus(10_000));
    let job = test.submit(NewJob { start_by, ..new_job() }).await;
    test.clock.advance(10_001);
    let record = test.done(&job).await;
    assert_eq!((record.job.state, record.failure.unwrap().code), (State::Failed, FailureCode::Expired));
    test.engine.stop().await;
}

#[tokio::test]
async fn a_scheduled_job_becomes_due() {
    let test = TestEngine::new().await;
    let job = test.submit(NewJob { delay: 3_600_000, ..new_job() }).await;
    test.clock.advance(3_600_000);
    assert_eq!(test.lease().await.job.id, job.id);
    test.engine.stop().await;
}

/// What follows and is too much for its transaction is carried out soon after, and whoever waits for work gets it.
#[tokio::test]
async fn what_is_left_over_is_caught_up_with() {
    static NEXT: Mutex<BTreeMap<JobNo, FollowUp>> = Mutex::new(BTreeMap::new());
    let next = |job: &Job| NEXT.lock().unwrap().get(&job.no).copied();
    let following = Following { rule: Some(next), rounds: 1, ..Following::default() };
    let test = TestEngine::with(|options| options.following = following).await;
    test.submit(new_job()).await;
    let first = test.lease().await.job;
    let second = test.submit(new_job()).await;
    let third = test.submit(NewJob { delay: 3_600_000, ..new_job() }).await;
    NEXT.lock().unwrap().extend([(first.no, FollowUp::Cancel(second.no)), (second.no, FollowUp::RunNow(third.no))]);
    test.complete(first.lease_ref()).await;
    assert_eq!(test.record(&second).await.job.state, State::Canceled);
    assert_eq!(test.lease().await.job.id, third.id);
    test.engine.stop().await;
}

#[tokio::test]
async fn finished_jobs_are_purged_in_time_and_forgotten_later() {
    let test = TestEngine::with(|options| options.tombstone = 100_000).await;
    let retention = Retention { succeeded: 50_000, failed: 500_000 };
    let jobs = test.engine.submit((0..300).map(|_| NewJob { retention, ..new_job() }).collect()).await.unwrap();
    let (first, last) = (jobs[0].job().clone(), jobs[299].job().clone());
    for _ in 0..299 {
        test.complete(test.lease().await.job.lease_ref()).await;
    }
    test.clock.advance(50_000);
    // Retention makes no events: the fact is read until it holds.
    while !matches!(test.engine.job(first.id).await.unwrap(), Found::Purged(_)) || purged(&test) < 299 {
        tokio::task::yield_now().await;
    }
    assert_eq!(purged(&test), 299);
    assert_eq!(test.record(&last).await.job.state, State::Queued, "an unfinished job stays");
    test.clock.advance(100_001);
    while !matches!(test.engine.job(first.id).await.unwrap(), Found::Unknown) {
        tokio::task::yield_now().await;
    }
    test.engine.stop().await;
}

/// Whose time is over counts as purged at once, however far behind cleaning up is; who waited for it is still shown it.
#[tokio::test]
async fn what_is_over_is_gone_at_once() {
    let test = TestEngine::new().await;
    let spec = Spec { key: Some("once".into()), ..Spec::default() };
    let new = NewJob { retention: Retention { succeeded: 50_000, failed: 0 }, spec: Box::new(spec), ..new_job() };
    let job = test.submit(new.clone()).await;
    test.complete(test.lease().await.job.lease_ref()).await;
    test.clock.advance(49_999);
    assert!(matches!(test.engine.job_row(job.id).await.unwrap(), Found::Here(_)));
    assert_eq!(test.submit(new.clone()).await.id, job.id);
    test.clock.advance(1);
    // Nothing was given time to clean up meanwhile.
    assert!(matches!(test.engine.job_row(job.id).await.unwrap(), Found::Purged(_)));
    assert!(matches!(test.engine.job(job.id).await.unwrap(), Found::Purged(_)));
    assert!(matches!(test.engine.wait(job.id, Until::Done, 9_000).await.unwrap(), Found::Purged(_)));
    assert_eq!(test.engine.jobs(Filter::default(), 9).await.unwrap().items, []);
    let refused = test.engine.submit(vec![new]).await;
    assert!(
        matches!(&refused, Err(SubmitError::Refused { refusal: Refusal::Purged(id), .. }) if *id == job.id),
        "{refused:?}"
    );
    test.engine.stop().await;
}

fn purged(test: &TestEngine) -> u64 {
    test.engine.counters().purged.load(std::sync::atomic::Ordering::Relaxed)
}

/// A test whose server knows when it stood still.
async fn steady() -> (TestEngine, Arc<SteadyClock>) {
    let mut steady = None;
    let test = TestEngine::with(|options| {
        let clock = Arc::new(SteadyClock::over(options.clock.clone()));
        options.clock = clock.clone();
        steady = Some(clock);
    })
    .await;
    (test, steady.expect("made with the options"))
}

/// Lets time pass while the server serves.
fn serve(test: &TestEngine, clock: &SteadyClock, millis: Millis) {
    for _ in 0..millis / 500 {
        test.clock.advance(500);
        clock.beat();
    }
}

/// The engine itself gives the signs of life by which a standstill is noticed.
#[tokio::test]
async fn a_standstill_of_the_server_loses_no_lease() {
    let (test, clock) = steady().await;
    let job = test.submit(new_job()).await;
    let first = test.lease().await.job;
    test.clock.advance(90_000);
    while clock.reading().awake != 0 || clock.reading().idle != 90_000 {
        tokio::task::yield_now().await;
    }
    // The sweep looks again: once it has promoted what is due, it has settled what was over, too.
    let due = test.submit(NewJob { delay: 500, ..new_job() }).await;
    serve(&test, &clock, 2_000);
    test.changed(&due).await;
    assert!(matches!(test.complete(first.lease_ref()).await, Finish::Done(_)), "the lease is as good as before");
    assert_eq!(test.record(&job).await.job.losses, 0);
    let second = test.lease().await.job;
    serve(&test, &clock, 31_000);
    assert_eq!(test.changed(&second).await.job.losses, 1, "a worker that is silent while the server serves is lost");
    test.engine.stop().await;
}

/// What waits for a time goes on to wait for as long as it was told to.
#[tokio::test]
async fn a_clock_that_is_set_back_delays_nothing() {
    let (test, clock) = steady().await;
    let job = test.submit(NewJob { delay: 2_000, ..new_job() }).await;
    test.clock.jump(-3_600_000);
    serve(&test, &clock, 2_500);
    assert_eq!(test.changed(&job).await.job.state, State::Queued);
    test.engine.stop().await;
}
