use raincheck_core::{NewJob, Spec, State};
use raincheck_engine::{Beat, CancelAnswer, PurgeAnswer, RerunError, RunNowAnswer, SubmitError, Until, json};
use raincheck_store::{Found, Renewed};

use crate::bed::{Bed, PATIENCE, failure, in_time, new_job, request};

#[tokio::test]
async fn a_cancel_reaches_the_heartbeat_that_waits() {
    let bed = Bed::new().await;
    let job = bed.submit(new_job()).await;
    let lease = bed.lease().await.job.lease_ref();
    let beat = Beat { lease, ttl: None, progress: None };
    let canceling = async {
        tokio::task::yield_now().await;
        bed.engine.cancel(job.no, false).await.unwrap()
    };
    let (heard, reply) = tokio::join!(in_time(bed.engine.heartbeat(vec![beat], PATIENCE)), canceling);
    assert_eq!(heard.unwrap(), [Renewed::Extended { ttl: 30_000, cancel_requested: true }]);
    assert!(matches!(reply, CancelAnswer::Done(job) if job.cancel_requested));
    bed.engine.settle(lease, failure()).await.unwrap();
    assert_eq!(bed.done(&job).await.job.state, State::Canceled);
    bed.engine.stop().await;
}

#[tokio::test]
async fn waiting_jobs_are_canceled_hastened_and_purged() {
    let bed = Bed::new().await;
    let job = bed.submit(NewJob { delay: 60_000, ..new_job() }).await;
    assert_eq!(job.state, State::Scheduled);
    assert!(matches!(bed.engine.run_now(job.no).await.unwrap(), RunNowAnswer::Done(job) if job.state == State::Queued));
    assert!(matches!(bed.engine.run_now(job.no).await.unwrap(), RunNowAnswer::NotWaiting(_)));
    assert!(matches!(bed.engine.purge(job.no).await.unwrap(), PurgeAnswer::NotFinished));
    assert!(matches!(bed.engine.cancel(job.no, false).await.unwrap(), CancelAnswer::Done(_)));
    assert!(matches!(bed.engine.purge(job.no).await.unwrap(), PurgeAnswer::Done));
    assert!(matches!(bed.engine.purge(job.no).await.unwrap(), PurgeAnswer::Gone));
    assert!(matches!(bed.engine.job(job.id).await.unwrap(), Found::Purged));
    bed.engine.stop().await;
}

#[tokio::test]
async fn running_again_makes_a_new_job() {
    let bed = Bed::new().await;
    let spec = Spec { input: json("41"), key: Some("once".into()), ..Spec::default() };
    let job = bed.submit(NewJob { spec: Box::new(spec), ..new_job() }).await;
    let rerun = async |force| bed.engine.rerun(&bed.record(&job).await, None, force).await;
    assert!(matches!(rerun(true).await, Err(RerunError::NotFinished)));
    bed.complete(bed.lease().await.job.lease_ref()).await;
    assert!(matches!(rerun(false).await, Err(RerunError::Done)), "a POST job that succeeded");
    let again = rerun(true).await.unwrap();
    assert_ne!(again.id, job.id);
    let leased = bed.lease().await;
    assert_eq!((leased.job.id, leased.spec.rerun_of, leased.spec.key.clone()), (again.id, Some(job.id), None));
    assert_eq!(leased.spec.input.payload, json("41").payload);
    let edited = bed.engine.rerun(&bed.record(&job).await, Some(json("42")), true).await.unwrap();
    assert_eq!(bed.engine.input(edited.no).await.unwrap().unwrap().payload, json("42").payload);
    bed.engine.stop().await;
}

#[tokio::test]
async fn a_heartbeat_hands_a_run_over_within_its_time() {
    let bed = Bed::new().await;
    bed.submit(new_job()).await;
    let lease = bed.lease().await.job.lease_ref();
    let beat = async |ttl| {
        let beat = Beat { lease, ttl, progress: None };
        bed.engine.heartbeat(vec![beat], 0).await.unwrap()[0]
    };
    let extended = |ttl| Renewed::Extended { ttl, cancel_requested: false };
    assert_eq!(beat(Some(10_000)).await, extended(10_000));
    assert_eq!(beat(Some(600_000)).await, extended(600_000));
    assert_eq!(bed.engine.store().record(lease.no).await.unwrap().unwrap().job.ttl, 600_000);
    assert_eq!(beat(Some(7_200_000)).await, Renewed::TooLong, "the job may run for an hour");
    assert_eq!(beat(None).await, extended(600_000));
    assert_eq!(beat(Some(5_000)).await, extended(5_000));
    assert_eq!(bed.engine.store().record(lease.no).await.unwrap().unwrap().job.ttl, 600_000);
}

#[tokio::test]
async fn draining_ends_waits_and_takes_ends_only() {
    let bed = Bed::new().await;
    let job = bed.submit(new_job()).await;
    let lease = bed.lease().await.job.lease_ref();
    let mut watch = bed.engine.watch_job(job.no, 2);
    let mut feed = bed.engine.watch_feed(raincheck_engine::Start::Now, Default::default()).await.unwrap();
    let mut follow = bed.engine.follow(job.no);
    let beat = Beat { lease, ttl: None, progress: None };
    let draining = async {
        tokio::task::yield_now().await;
        bed.engine.drain();
    };
    let (waited, leased, watched, fed, (), beaten, ()) = in_time(async {
        tokio::join!(
            bed.engine.wait(job.id, Until::Done, PATIENCE),
            bed.engine.lease(request(1, PATIENCE)),
            watch.next(),
            feed.next(),
            follow.changed(),
            bed.engine.heartbeat(vec![beat], PATIENCE),
            draining,
        )
    })
    .await;
    assert!(matches!(waited.unwrap(), Found::Here(record) if record.job.state == State::Running));
    assert!(leased.is_ok_and(|answer| answer.drain && answer.leases.is_empty()));
    assert!(watched.unwrap().is_none() && fed.unwrap().is_none());
    assert!(matches!(beaten.unwrap()[..], [Renewed::Extended { .. }]));
    assert!(matches!(bed.engine.submit(vec![new_job()]).await, Err(SubmitError::Draining)));
    let mut end = request(1, PATIENCE);
    end.finish = vec![(lease, failure())];
    let answer = bed.engine.lease(end).await.unwrap();
    assert!(answer.drain && answer.leases.is_empty() && answer.finished.len() == 1);
    assert!(bed.engine.lease(request(1, PATIENCE)).await.is_ok_and(|answer| answer.drain), "at once");
    bed.engine.stop().await;
    bed.engine.stop().await;
}
