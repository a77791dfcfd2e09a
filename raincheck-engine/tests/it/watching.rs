use raincheck_core::{EventType, Outcome, State};
use raincheck_engine::{Beat, Until, json};
use raincheck_store::Found;

use crate::test_engine::{PATIENCE, TestEngine, new_job, percent, request};

/// Enough to overflow what the hub keeps per job many times.
const REPORTS: u32 = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_from_any_number_miss_and_double_nothing() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    let watchers: Vec<_> = (0..40u32)
        .map(|index| {
            let engine = test.engine.clone();
            let (no, id, after) = (job.no, job.id, index * 7 % 50);
            tokio::spawn(async move {
                // Some begin before those events are there, some long after.
                while index % 2 == 1
                    && !matches!(engine.job(id).await.unwrap(), Found::Here(r) if r.job.seq > index * 10)
                {
                    tokio::task::yield_now().await;
                }
                let mut watch = engine.watch_job(no, after);
                let mut seqs = Vec::new();
                while let Some(event) = watch.next().await.unwrap() {
                    seqs.push(event.seq);
                    if event.seq % 97 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                let expected: Vec<u32> = (after + 1..=REPORTS + 3).collect();
                assert_eq!(seqs, expected, "watcher {index} from {after}");
            })
        })
        .collect();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let engine = test.engine.clone();
            tokio::spawn(async move {
                for at in 0..REPORTS / 4 {
                    let report = raincheck_core::Command::Progress(lease, percent(f64::from(at)));
                    engine.store().apply(vec![report]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    test.complete(lease).await;
    for watcher in watchers {
        watcher.await.unwrap();
    }
    assert!(test.engine.watch_job(job.no, REPORTS + 3).next().await.unwrap().is_none(), "all is seen");
    assert!(test.engine.watch_job(job.no, REPORTS + 99).next().await.unwrap().is_none(), "more than there is");
    test.engine.stop().await;
}

#[tokio::test]
async fn thousands_watch_one_job() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let watchers: Vec<_> = (0..5_000)
        .map(|_| {
            let mut watch = test.engine.watch_job(job.no, 1);
            tokio::spawn(async move {
                let mut last = None;
                while let Some(event) = watch.next().await.unwrap() {
                    last = Some(event.state);
                }
                last
            })
        })
        .collect();
    test.complete(test.lease().await.job.lease_ref()).await;
    for watcher in watchers {
        assert_eq!(watcher.await.unwrap(), Some(State::Succeeded));
    }
    test.engine.stop().await;
}

#[tokio::test]
async fn a_watch_of_a_purged_job_ends() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    test.engine.cancel(job.no, false, None).await.unwrap();
    test.engine.purge(job.no).await.unwrap();
    // What it held is not published any more; its events are, and the last of them is the end.
    let mut watch = test.engine.watch_job(job.no, 0);
    while let Some(event) = watch.next().await.unwrap() {
        assert!(matches!(event.data, raincheck_core::EventData::Gone(_)), "{event:?}");
    }
    assert_eq!(watch.last(), 2);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_dropped_next_loses_nothing() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let mut watch = test.engine.watch_job(job.no, 0);
    let worker = tokio::spawn({
        let engine = test.engine.clone();
        async move {
            let leased = engine.lease(request(1, PATIENCE)).await.unwrap().leases.remove(0);
            let end = Outcome::Complete(json("1"));
            engine.settle(leased.job.lease_ref(), end).await.unwrap()
        }
    });
    let mut seqs = Vec::new();
    loop {
        // Each call is polled once and dropped.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(watch.next()).poll(&mut context) {
            std::task::Poll::Ready(Ok(Some(event))) => seqs.push(event.seq),
            std::task::Poll::Ready(end) => break assert!(end.unwrap().is_none()),
            std::task::Poll::Pending => tokio::task::yield_now().await,
        }
    }
    assert_eq!(seqs, [1, 2, 3]);
    worker.await.unwrap();
    test.engine.stop().await;
}

#[tokio::test]
async fn a_wait_for_a_change_ends_with_it_and_not_before() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let unchanged = test.engine.wait(job.id, Until::ChangedFrom(1), 0).await.unwrap();
    assert!(matches!(unchanged, Found::Here(record) if record.job.seq == 1));
    let (record, leased) = tokio::join!(test.changed(&job), test.lease());
    assert_eq!((record.job.seq, record.job.state), (2, State::Running));
    let beat = Beat { lease: leased.job.lease_ref(), ttl: None, progress: Some(percent(5.0)) };
    let (record, _) = tokio::join!(test.changed(&record.job), test.engine.heartbeat(vec![beat], 0));
    assert_eq!(record.progress, Some(percent(5.0)));
    assert_eq!(test.events(&job).await.last().unwrap().data.event_type(), EventType::Progress);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_follower_hears_of_bytes_and_of_the_end() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    let mut follow = test.engine.follow(job.no);
    let append = raincheck_core::Append {
        lease,
        kind: raincheck_core::ChunkKind::Stream,
        offset: None,
        bytes: "hello".into(),
        content_type: None,
        limit: u64::MAX,
    };
    let (reply, ()) = tokio::join!(test.engine.append(append.clone()), follow.changed());
    assert_eq!(reply.unwrap(), raincheck_engine::AppendAnswer::Done(5));
    let chunks = test.engine.chunks(job.no, append.kind, 1, 0, 100).await.unwrap();
    assert_eq!(chunks[0].bytes, "hello");
    let (_, ()) = tokio::join!(test.complete(lease), follow.changed());
    assert_eq!(test.engine.append(append).await.unwrap(), raincheck_engine::AppendAnswer::LeaseLost);
    test.engine.stop().await;
}
