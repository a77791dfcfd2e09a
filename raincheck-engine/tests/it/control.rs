use raincheck_core::{NewJob, Refusal, Spec, State, Submitted};
use raincheck_engine::{
    Beat, CancelAnswer, PurgeAnswer, RerunError, RerunRequest, RunNowAnswer, SubmitError, Until, json, sameness,
};
use raincheck_store::{Found, Renewed};

use crate::test_engine::{PATIENCE, TestEngine, failure, in_time, new_job, request};

#[tokio::test]
async fn a_cancel_reaches_the_heartbeat_that_waits() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    let beat = Beat { lease, ttl: None, progress: None };
    let canceling = async {
        tokio::task::yield_now().await;
        test.engine.cancel(job.no, false, None).await.unwrap()
    };
    let (heard, reply) = tokio::join!(in_time(test.engine.heartbeat(vec![beat], PATIENCE)), canceling);
    assert_eq!(heard.unwrap(), [Renewed::Extended { ttl: 30_000, cancel_requested: true }]);
    assert!(matches!(reply, CancelAnswer::Done(job) if job.cancel_requested));
    test.engine.settle(lease, failure()).await.unwrap();
    assert_eq!(test.done(&job).await.job.state, State::Canceled);
    test.engine.stop().await;
}

#[tokio::test]
async fn waiting_jobs_are_canceled_hastened_and_purged() {
    let test = TestEngine::new().await;
    let job = test.submit(NewJob { delay: 60_000, ..new_job() }).await;
    assert_eq!(job.state, State::Scheduled);
    assert!(
        matches!(test.engine.run_now(job.no, None).await.unwrap(), RunNowAnswer::Done(job) if job.state == State::Queued)
    );
    assert!(matches!(test.engine.run_now(job.no, None).await.unwrap(), RunNowAnswer::NotWaiting(_)));
    assert!(matches!(test.engine.purge(job.no).await.unwrap(), PurgeAnswer::NotFinished));
    assert!(matches!(test.engine.cancel(job.no, false, None).await.unwrap(), CancelAnswer::Done(_)));
    assert!(matches!(test.engine.purge(job.no).await.unwrap(), PurgeAnswer::Done));
    assert!(matches!(test.engine.purge(job.no).await.unwrap(), PurgeAnswer::Gone));
    assert!(matches!(test.engine.job(job.id).await.unwrap(), Found::Purged(_)));
    test.engine.stop().await;
}

#[tokio::test]
async fn running_again_makes_a_new_job() {
    let test = TestEngine::new().await;
    let spec = Spec { input: json("41"), key: Some("once".into()), ..Spec::default() };
    let job = test.submit(NewJob { spec: Box::new(spec), ..new_job() }).await;
    let rerun = async |force| {
        let asked = RerunRequest { force, ..RerunRequest::default() };
        test.engine.rerun(&test.record(&job).await, asked).await.map(|one| one.job().clone())
    };
    assert!(matches!(rerun(true).await, Err(RerunError::NotFinished)));
    test.complete(test.lease().await.job.lease_ref()).await;
    assert!(matches!(rerun(false).await, Err(RerunError::Done)), "a POST job that succeeded");
    let again = rerun(true).await.unwrap();
    assert_ne!(again.id, job.id);
    let leased = test.lease().await;
    assert_eq!((leased.job.id, leased.spec.rerun_of, leased.spec.key.clone()), (again.id, Some(job.id), None));
    assert_eq!(leased.spec.input.payload, json("41").payload);
    let with_key = async |key: &str, input: Option<&'static str>| {
        let input = input.map(|text| (json(text), sameness(&json(text)).unwrap()));
        let asked = RerunRequest { input, key: Some(key.into()), force: true };
        test.engine.rerun(&test.record(&job).await, asked).await
    };
    let edited = with_key("edited", Some("42")).await.unwrap();
    assert!(matches!(edited, Submitted::New(_)));
    assert_eq!(test.engine.input(edited.job().no).await.unwrap().unwrap().payload, json("42").payload);
    assert!(
        matches!(with_key("edited", Some(" 42 ")).await, Ok(Submitted::Replayed(job)) if job.id == edited.job().id)
    );
    for other in [None, Some("43")] {
        let refused = with_key("edited", other).await;
        assert!(
            matches!(refused, Err(RerunError::Submit(SubmitError::Refused { refusal: Refusal::KeyReused(id), .. })) if id == edited.job().id)
        );
    }
    assert!(with_key("plain", None).await.is_ok_and(|one| one.job().id != edited.job().id));
    test.engine.stop().await;
}

#[tokio::test]
async fn a_heartbeat_hands_a_run_over_within_its_time() {
    let test = TestEngine::new().await;
    test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    let beat = async |ttl| {
        let beat = Beat { lease, ttl, progress: None };
        test.engine.heartbeat(vec![beat], 0).await.unwrap()[0]
    };
    let extended = |ttl| Renewed::Extended { ttl, cancel_requested: false };
    assert_eq!(beat(Some(10_000)).await, extended(10_000));
    assert_eq!(beat(Some(600_000)).await, extended(600_000));
    assert_eq!(test.engine.store().record(lease.no).await.unwrap().unwrap().job.ttl, 600_000);
    assert_eq!(beat(Some(7_200_000)).await, Renewed::TooLong, "the job may run for an hour");
    assert_eq!(beat(None).await, extended(600_000));
    assert_eq!(beat(Some(5_000)).await, extended(5_000));
    assert_eq!(test.engine.store().record(lease.no).await.unwrap().unwrap().job.ttl, 600_000);
}

#[tokio::test]
async fn draining_ends_waits_and_takes_ends_only() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    let mut watch = test.engine.watch_job(job.no, 2);
    let mut feed = test.engine.watch_feed(raincheck_engine::Start::Now, Default::default()).await.unwrap();
    let mut follow = test.engine.follow(job.no);
    let beat = Beat { lease, ttl: None, progress: None };
    let draining = async {
        tokio::task::yield_now().await;
        test.engine.drain();
    };
    let (waited, leased, watched, fed, (), beaten, ()) = in_time(async {
        tokio::join!(
            test.engine.wait(job.id, Until::Done, PATIENCE),
            test.engine.lease(request(1, PATIENCE)),
            watch.next(),
            feed.next(),
            follow.changed(),
            test.engine.heartbeat(vec![beat], PATIENCE),
            draining,
        )
    })
    .await;
    assert!(matches!(waited.unwrap(), Found::Here(record) if record.job.state == State::Running));
    assert!(leased.is_ok_and(|answer| answer.drain && answer.leases.is_empty()));
    assert!(watched.unwrap().is_none() && fed.unwrap().is_none());
    assert!(matches!(beaten.unwrap()[..], [Renewed::Extended { .. }]));
    assert!(matches!(test.engine.submit(vec![new_job()]).await, Err(SubmitError::Draining)));
    let mut end = request(1, PATIENCE);
    end.finish = vec![(lease, failure())];
    let answer = test.engine.lease(end).await.unwrap();
    assert!(answer.drain && answer.leases.is_empty() && answer.finished.len() == 1);
    assert!(test.engine.lease(request(1, PATIENCE)).await.is_ok_and(|answer| answer.drain), "at once");
    test.engine.stop().await;
    test.engine.stop().await;
}
