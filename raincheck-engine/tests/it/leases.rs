use std::time::Instant;

use raincheck_core::{Command, Job, LeaseJobs, NewJob, QueuePatch, State};
use raincheck_engine::{Beat, Finish};
use raincheck_store::Renewed;
use tokio::task::JoinHandle;

use crate::test_engine::{AT_ONCE, PATIENCE, TestEngine, in_time, name, new_job, request};

#[tokio::test]
async fn a_lost_run_is_leased_again_and_its_late_end_is_refused() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let first = test.lease().await.job;
    let leasing = tokio::spawn({
        let engine = test.engine.clone();
        async move { engine.lease(request(1, PATIENCE)).await.unwrap() }
    });
    test.clock.advance(29_999);
    let beat = Beat { lease: first.lease_ref(), ttl: None, progress: None };
    let alive = test.engine.heartbeat(vec![beat.clone()], 0).await.unwrap();
    assert_eq!(alive, [Renewed::Extended { ttl: 30_000, cancel_requested: false }]);
    test.clock.advance(30_000);
    let second = leasing.await.unwrap().leases.remove(0).job;
    assert_eq!((second.id, second.attempt, second.losses), (job.id, 2, 1));
    assert!(matches!(test.complete(first.lease_ref()).await, Finish::LeaseLost(_)));
    assert_eq!(test.engine.heartbeat(vec![beat], 0).await.unwrap(), [Renewed::Lost]);
    assert!(matches!(test.complete(second.lease_ref()).await, Finish::Done(_)));
    assert_eq!(test.done(&job).await.job.state, State::Succeeded);
    test.engine.stop().await;
}

#[tokio::test]
async fn the_end_of_a_wait_extends_nothing() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    let beat = Beat { lease, ttl: Some(2_000), progress: None };
    let hearing = in_time(test.engine.heartbeat(vec![beat], PATIENCE));
    let stepping = async {
        tokio::task::yield_now().await;
        test.clock.advance(1_900);
    };
    let (heard, ()) = tokio::join!(hearing, stepping);
    assert_eq!(
        heard.unwrap(),
        [Renewed::Extended { ttl: 100, cancel_requested: false }],
        "it waits for half of the ttl"
    );
    test.clock.advance(100);
    let again = test.lease().await.job;
    assert_eq!((again.id, again.attempt, again.losses), (job.id, 2, 1));
    test.engine.stop().await;
}

#[tokio::test]
async fn a_job_that_loses_three_workers_is_poison() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    for _ in 0..3 {
        test.lease().await;
        test.clock.advance(30_001);
    }
    let record = test.done(&job).await;
    assert_eq!((record.job.state, record.job.losses), (State::Failed, 3));
    assert_eq!(record.failure.unwrap().code, raincheck_core::FailureCode::Lost);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_run_over_its_time_is_a_failed_attempt() {
    let test = TestEngine::new().await;
    let job = test.submit(NewJob { timeout: 5_000, ..new_job() }).await;
    let leased = test.lease().await;
    let beat = Beat { lease: leased.job.lease_ref(), ttl: None, progress: None };
    let hearing = in_time(test.engine.heartbeat(vec![beat], PATIENCE));
    let stepping = async {
        tokio::task::yield_now().await;
        test.clock.advance(5_001);
    };
    let (heard, ()) = tokio::join!(hearing, stepping);
    assert_eq!(heard.unwrap(), [Renewed::Lost]);
    let record = test.record(&job).await;
    assert_eq!((record.job.failures, record.failure.unwrap().code), (1, raincheck_core::FailureCode::Timeout));
    test.engine.stop().await;
}

#[tokio::test]
async fn work_leased_for_a_caller_that_went_away_comes_back() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    {
        let mut leasing = std::pin::pin!(test.engine.lease(request(1, PATIENCE)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(leasing.as_mut().poll(&mut context).is_pending(), "on its way to the store");
    }
    let begun = Instant::now();
    let again = test.lease().await;
    assert_eq!(again.job.id, job.id);
    assert!(begun.elapsed() < AT_ONCE);
    assert_eq!((again.job.failures, again.job.losses), (0, 0));
    test.engine.stop().await;
}

#[tokio::test]
async fn a_request_asked_again_gets_the_same_leases() {
    let test = TestEngine::new().await;
    test.engine.submit(vec![new_job(), new_job()]).await.unwrap();
    let mut ask = request(1, 0);
    ask.request_id = Some("r1".to_owned());
    let first = test.engine.lease(ask.clone()).await.unwrap().leases;
    let again = test.engine.lease(ask.clone()).await.unwrap().leases;
    assert_eq!(first, again);
    ask.request_id = Some("r2".to_owned());
    assert_ne!(first, test.engine.lease(ask).await.unwrap().leases);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_freed_slot_wakes_the_next_waiter() {
    let test = TestEngine::new().await;
    let patch = QueuePatch { concurrency: Some(Some(1)), ..QueuePatch::default() };
    test.engine.set_queue(name("q"), patch).await.unwrap();
    test.engine.submit((0..20).map(|_| new_job()).collect()).await.unwrap();
    let mut running = test.lease().await.job;
    for _ in 1..20 {
        let begun = Instant::now();
        let leasing = test.lease();
        let completing = async {
            tokio::task::yield_now().await;
            test.complete(running.lease_ref()).await
        };
        let (next, _) = tokio::join!(leasing, completing);
        assert!(begun.elapsed() < AT_ONCE, "woken, not found by polling");
        running = next.job;
    }
    test.engine.stop().await;
}

#[tokio::test]
async fn a_paused_queue_hands_out_nothing_until_it_goes_on() {
    let test = TestEngine::new().await;
    let pause = |paused| QueuePatch { paused: Some(paused), ..QueuePatch::default() };
    test.engine.set_queue(name("q"), pause(true)).await.unwrap();
    let jobs = test.engine.submit((0..5).map(|_| new_job()).collect()).await.unwrap();
    assert!(test.engine.lease(request(1, 0)).await.unwrap().leases.is_empty());
    assert_eq!(test.engine.wait_estimate(jobs[0].job()).waiting_for, Some(raincheck_engine::WaitingFor::Paused));
    let waiters = [(); 5].map(|()| wait_for_work(&test));
    settled_down(&test).await;
    let begun = Instant::now();
    test.engine.set_queue(name("q"), pause(false)).await.unwrap();
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().queue, name("q"));
    }
    assert!(begun.elapsed() < AT_ONCE, "each wakes the next");
    test.engine.stop().await;
}

#[tokio::test]
async fn a_waiter_that_came_too_late_is_woken_again() {
    let test = TestEngine::new().await;
    let waiter = wait_for_work(&test);
    settled_down(&test).await;
    for _ in 0..3 {
        // Queued and taken by another in one transaction: the waiter is woken for nothing.
        let ask = LeaseJobs {
            worker: "thief".into(),
            queues: Vec::new(),
            kinds: vec![name("k")],
            patterns: Vec::new(),
            max: 1,
            ttl: 30_000,
            request_id: None,
        };
        test.engine.store().apply(vec![Command::Submit(vec![new_job()]), Command::Lease(ask)]).await.unwrap();
        settled_down(&test).await;
    }
    let begun = Instant::now();
    let job = test.submit(new_job()).await;
    assert_eq!(waiter.await.unwrap().id, job.id);
    assert!(begun.elapsed() < AT_ONCE);
    test.engine.stop().await;
}

fn wait_for_work(test: &TestEngine) -> JoinHandle<Job> {
    let engine = test.engine.clone();
    tokio::spawn(async move { engine.lease(request(1, PATIENCE)).await.unwrap().leases.remove(0).job })
}

/// Lets what was begun go as far as it can: the store answers in order, so what was asked before is answered.
async fn settled_down(test: &TestEngine) {
    for _ in 0..4 {
        tokio::task::yield_now().await;
        test.submit(NewJob::new(name("elsewhere"), name("unserved"))).await;
    }
}
