use std::time::Instant;

use raincheck_core::{EventType, Outcome, RetryPolicy, Spec, State};
use raincheck_engine::{Finish, LeaseAnswer, Until, json};
use raincheck_store::Found;

use crate::test_engine::{AT_ONCE, PATIENCE, TestEngine, failure, in_time, name, new_job, percent, request};

#[tokio::test]
async fn a_job_goes_from_submit_to_its_result() {
    let test = TestEngine::new().await;
    let input = json(r#"{"n":1}"#);
    let job = test
        .submit(raincheck_core::NewJob {
            spec: Box::new(Spec { input: input.clone(), ..Spec::default() }),
            ..new_job()
        })
        .await;
    assert_eq!(job.state, State::Queued);
    let leased = test.lease().await;
    assert_eq!((leased.job.id, leased.job.attempt), (job.id, 1));
    assert_eq!(leased.spec.input.payload, input.payload);
    assert_eq!(test.engine.parse_lease(&leased.lease).await.unwrap(), Some(leased.job.lease_ref()));
    assert!(!format!("{leased:?}").contains(&leased.lease), "the lease string stays out of logs");
    test.clock.advance(1_500);
    let waiting = in_time(test.engine.wait(job.id, Until::Done, PATIENCE));
    let completing = async {
        // The wait is registered or not by now: it must end either way.
        tokio::task::yield_now().await;
        test.complete(leased.job.lease_ref()).await
    };
    let (found, finish) = tokio::join!(waiting, completing);
    let Found::Here(record) = found.unwrap() else { panic!() };
    assert_eq!(record.job.state, State::Succeeded);
    assert_eq!(record.result.unwrap().value.unwrap(), r#"{"ok":true}"#);
    assert!(matches!(finish, Finish::Done(_)));
    assert!(matches!(test.complete(leased.job.lease_ref()).await, Finish::Done(_)), "the same again is the same");
    let other = test.engine.settle(leased.job.lease_ref(), Outcome::Complete(json("2"))).await.unwrap();
    assert!(matches!(other, Finish::LeaseLost(_)), "another end is refused");
    let types: Vec<_> = test.events(&job).await.iter().map(|event| event.data.event_type()).collect();
    assert_eq!(types, [EventType::Created, EventType::Started, EventType::Succeeded]);
    assert_eq!(test.engine.run_times(&name("k")).unwrap().mean_ms, 1_500.0);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_waiter_that_came_first_is_woken_by_the_submit() {
    let test = TestEngine::new().await;
    for _ in 0..50 {
        let begun = Instant::now();
        let leasing = test.lease();
        let submitting = async {
            while !test.engine.served(&name("q"), &name("k")) {
                tokio::task::yield_now().await;
            }
            test.submit(new_job()).await
        };
        let (leased, job) = tokio::join!(leasing, submitting);
        assert_eq!(leased.job.id, job.id);
        assert!(begun.elapsed() < AT_ONCE, "woken, not found by polling");
        test.complete(leased.job.lease_ref()).await;
    }
    test.engine.stop().await;
}

#[tokio::test]
async fn every_waiter_gets_one_of_as_many_jobs() {
    let test = TestEngine::new().await;
    let waiters: Vec<_> = (0..64)
        .map(|_| {
            let engine = test.engine.clone();
            tokio::spawn(async move { engine.lease(request(1, PATIENCE)).await.unwrap().leases.len() })
        })
        .collect();
    tokio::task::yield_now().await;
    let begun = Instant::now();
    test.engine.submit((0..64).map(|_| new_job()).collect()).await.unwrap();
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), 1);
    }
    assert!(begun.elapsed() < AT_ONCE * 5, "nobody is left to the slow look");
    test.engine.stop().await;
}

#[tokio::test]
async fn finishing_and_leasing_are_one_request() {
    let test = TestEngine::new().await;
    let (first, second) = (test.submit(new_job()).await, test.submit(new_job()).await);
    let leased = test.lease().await;
    assert_eq!(leased.job.id, first.id);
    let mut next = request(5, PATIENCE);
    next.finish = vec![(leased.job.lease_ref(), Outcome::Complete(json("1")))];
    let LeaseAnswer { leases, finished, drain: _ } = test.engine.lease(next).await.unwrap();
    assert_eq!(leases[0].job.id, second.id);
    assert!(matches!(&finished[..], [Finish::Done(job)] if job.state == State::Succeeded));
    let mut last = request(5, PATIENCE);
    last.finish = vec![(leases[0].job.lease_ref(), failure()), (leased.job.lease_ref(), failure())];
    let answer = test.engine.lease(last).await.unwrap();
    assert!(answer.leases.is_empty(), "with ends to report the answer does not wait");
    assert!(matches!(&answer.finished[..], [Finish::Done(_), Finish::LeaseLost(_)]));
    test.engine.stop().await;
}

#[tokio::test]
async fn failed_attempts_are_tried_again_until_they_are_used_up() {
    let test = TestEngine::new().await;
    let retry = RetryPolicy { max_attempts: 3, initial: 5_000, factor: 2.0, jitter: false, ..RetryPolicy::default() };
    let job =
        test.submit(raincheck_core::NewJob { spec: Box::new(Spec { retry, ..Spec::default() }), ..new_job() }).await;
    for delay in [5_000, 10_000] {
        let leased = test.lease().await;
        let finish = test.engine.settle(leased.job.lease_ref(), failure()).await.unwrap();
        let Finish::Done(after) = finish else { panic!("{finish:?}") };
        assert_eq!((after.state, after.run_at.since(test.engine.now())), (State::Scheduled, delay));
        test.clock.advance(delay - 1);
        assert!(test.engine.lease(request(1, 0)).await.unwrap().leases.is_empty(), "not before its time");
        test.clock.advance(1);
    }
    let leased = test.lease().await;
    assert_eq!(leased.job.attempt, 3);
    test.engine.settle(leased.job.lease_ref(), failure()).await.unwrap();
    let record = test.done(&job).await;
    assert_eq!((record.job.state, record.job.failures), (State::Failed, 3));
    assert_eq!(test.engine.counters().retried.load(std::sync::atomic::Ordering::Relaxed), 2);
    test.engine.stop().await;
}

#[tokio::test]
async fn the_last_report_is_written_before_the_end() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    for at in [10.0, 20.0, 99.0] {
        let beat = raincheck_engine::Beat { lease, ttl: None, progress: Some(percent(at)) };
        test.engine.heartbeat(vec![beat], 0).await.unwrap();
    }
    test.complete(lease).await;
    let record = test.done(&job).await;
    assert_eq!(record.progress, Some(percent(99.0)));
    let types: Vec<_> = test.events(&job).await.iter().map(|event| event.data.event_type()).collect();
    assert_eq!(types.last(), Some(&EventType::Succeeded));
    let reports = types.iter().filter(|t| **t == EventType::Progress).count();
    assert!((2..=3).contains(&reports), "three reports at once are not all kept: {types:?}");
    test.engine.stop().await;
}
