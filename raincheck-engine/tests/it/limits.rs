use std::collections::HashSet;

use raincheck_core::{NewJob, Refusal, Spec};
use raincheck_engine::SubmitError;

use crate::test_engine::{TestEngine, fingerprint, new_job};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_duplicates_of_a_key_are_one_job() {
    let test = TestEngine::new().await;
    for round in 0..50 {
        let submits: Vec<_> = (0..64)
            .map(|_| {
                let engine = test.engine.clone();
                let spec = Spec { key: Some(format!("key-{round}").into()), ..Spec::default() };
                let job = NewJob { fingerprint: fingerprint(1), spec: Box::new(spec), ..new_job() };
                tokio::spawn(async move { engine.submit(vec![job]).await.unwrap()[0].job().id })
            })
            .collect();
        let mut ids = HashSet::new();
        for submit in submits {
            ids.insert(submit.await.unwrap());
        }
        assert_eq!(ids.len(), 1, "round {round}");
    }
    let stats = test.engine.stats().await.unwrap();
    assert_eq!(stats.queues[0].waiting(), 50);
    let counters = test.engine.counters();
    assert_eq!(counters.submitted.load(std::sync::atomic::Ordering::Relaxed), 50);
    assert_eq!(counters.replayed.load(std::sync::atomic::Ordering::Relaxed), 50 * 63);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_when_to_come_back() {
    let test = TestEngine::with(|options| options.max_queued = 3).await;
    test.engine.submit(vec![new_job(), new_job()]).await.unwrap();
    let refused = test.engine.submit(vec![new_job(), new_job()]).await;
    let Err(SubmitError::Refused { index: 1, refusal: Refusal::QueueFull(_, 3), retry_after }) = refused else {
        panic!("{refused:?}")
    };
    assert!((1..=72).contains(&retry_after));
    assert_eq!(test.engine.queue(&crate::test_engine::name("q")).unwrap().waiting(), 2, "all or none");
    test.submit(new_job()).await;
    test.engine.stop().await;
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_submits_and_nothing_else() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    test.engine.stop().await;
    let TestEngine { clock, folder, .. } = test;
    let options = raincheck_store::SqliteOptions {
        reserve_bytes: u64::MAX,
        ..raincheck_store::SqliteOptions::in_folder(folder.path())
    };
    let store = raincheck_store::SqliteStore::open(options).unwrap();
    let engine = raincheck_engine::Engine::start(store, clock.clone(), Default::default()).await.unwrap();
    while !engine.store().space().1 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(engine.submit(vec![new_job()]).await, Err(SubmitError::NoSpace { .. })));
    let test = TestEngine { clock, folder, engine };
    test.complete(test.lease().await.job.lease_ref()).await;
    test.done(&job).await;
    test.engine.stop().await;
}
