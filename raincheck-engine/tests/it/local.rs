use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use raincheck_core::{
    Content, EventData, Failure, FailureCode, LeaseRef, NewJob, Outcome, Overdue, Pattern, Payload, RetryPolicy, Spec,
    State, SteppedClock, limits,
};
use raincheck_engine::{Handlers, LocalOptions, LocalWorker, json};
use raincheck_store::{Overrun, SqliteOptions, SqliteStore, Store};
use tokio::sync::Notify;

use crate::test_engine::{TestEngine, name, new_job};

fn options(concurrency: usize) -> LocalOptions {
    LocalOptions { concurrency, ttl: 2_000, grace: 0, ..LocalOptions::default() }
}

#[tokio::test]
async fn functions_do_the_work_so_many_at_once() {
    let test = TestEngine::new().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut handlers = Handlers::new();
    let (n, m) = (now.clone(), most.clone());
    handlers.register(name("k"), move |task| {
        let (now, most) = (n.clone(), m.clone());
        async move {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, SeqCst);
            Ok(json(task.input().await.map_err(|e| Failure::of(FailureCode::Failed, e.to_string()))?))
        }
    });
    let worker = LocalWorker::start(&test.engine, handlers, options(3));
    let jobs: Vec<_> = (0..100)
        .map(|n: u32| NewJob { spec: Box::new(Spec { input: json(n.to_string()), ..Spec::default() }), ..new_job() })
        .collect();
    for (n, submitted) in test.engine.submit(jobs).await.unwrap().iter().enumerate() {
        let record = test.done(submitted.job()).await;
        assert_eq!(record.job.state, State::Succeeded);
        assert_eq!(record.result.unwrap().value.unwrap(), n.to_string());
    }
    assert!(most.load(SeqCst) <= 3);
    assert_eq!(test.engine.workers()[0].running, 0);
    worker.stop().await;
    test.engine.stop().await;
}

#[tokio::test]
async fn functions_serve_patterns_and_whatever_a_queue_has() {
    let test = TestEngine::new().await;
    let mut handlers = Handlers::new();
    let says = |text: &'static str| move |_| async move { Ok(json(format!("\"{text}\""))) };
    handlers.register(name("shop.a"), says("kind"));
    handlers.register_pattern(Pattern::new("shop.*").unwrap(), says("pattern"));
    handlers.register_pattern(Pattern::new("*").unwrap(), says("any"));
    let worker = LocalWorker::start(&test.engine, handlers, LocalOptions { queues: vec![name("q")], ..options(1) });
    let elsewhere = test.submit(NewJob::new(name("r"), name("shop.a"))).await;
    for (kind, expected) in [("shop.a", "kind"), ("shop.b", "pattern"), ("x", "any")] {
        let job = test.submit(NewJob::new(name("q"), name(kind))).await;
        assert_eq!(test.done(&job).await.result.unwrap().value.unwrap(), format!("\"{expected}\""), "{kind}");
    }
    assert!(test.engine.served(&name("q"), &name("anything")) && !test.engine.served(&name("r"), &name("shop.a")));
    assert_eq!(test.events(&elsewhere).await.len(), 1, "it is not of the queue");
    worker.stop().await;
    test.engine.stop().await;
}

#[tokio::test]
async fn panics_and_errors_are_failed_attempts() {
    let test = TestEngine::new().await;
    let mut handlers = Handlers::new();
    handlers.register(name("k"), |_| async { panic!("on purpose") });
    handlers.register(name("bad"), |_| async { Err(Failure::of(FailureCode::Failed, "no luck")) });
    let worker = LocalWorker::start(&test.engine, handlers, options(2));
    let once = || Spec { retry: RetryPolicy { max_attempts: 1, ..RetryPolicy::default() }, ..Spec::default() };
    let panicking = test.submit(NewJob { spec: Box::new(once()), ..new_job() }).await;
    let failing = test.submit(NewJob { spec: Box::new(once()), ..NewJob::new(name("q"), name("bad")) }).await;
    let record = test.done(&panicking).await;
    assert!(record.failure.unwrap().detail.unwrap().contains("panic"));
    assert_eq!(test.done(&failing).await.failure.unwrap().detail.as_deref(), Some("no luck"));
    worker.stop().await;
    test.engine.stop().await;
}

#[tokio::test]
async fn an_input_that_cannot_be_read_is_no_fault_of_its_job() {
    let test = TestEngine::new().await;
    let mut handlers = Handlers::new();
    handlers.register(name("k"), |task| async move {
        let input = task.input().await.map_err(|e| Failure::of(FailureCode::Failed, e.to_string()))?;
        Ok(json(input.len().to_string()))
    });
    let mut writer = test.engine.store().blobs().create().unwrap();
    writer.write(b"large").unwrap();
    let input = Content { payload: Payload::Blob { name: writer.finish().unwrap(), size: 5 }, ..Content::default() };
    let Payload::Blob { name: blob, .. } = &input.payload else { unreachable!() };
    let path = find(test.folder.path(), blob).expect("the file of the input");
    // A folder in its place is there and cannot be read.
    std::fs::rename(&path, path.with_extension("aside")).unwrap();
    std::fs::create_dir(&path).unwrap();
    let retry = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
    let job = test
        .submit(NewJob { spec: Box::new(Spec { input: input.clone(), retry, ..Spec::default() }), ..new_job() })
        .await;
    let worker = LocalWorker::start(&test.engine, handlers, options(1));
    let mut record = test.record(&job).await;
    while record.job.state != State::Scheduled {
        assert!(!record.job.state.is_final(), "{:?}", record.failure);
        record = test.changed(&record.job).await;
    }
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(path.with_extension("aside"), &path).unwrap();
    test.clock.advance(5_001);
    let record = test.done(&job).await;
    assert_eq!((record.job.state, record.job.failures), (State::Succeeded, 0));
    assert!(test.events(&job).await.iter().any(|event| matches!(event.data, EventData::Released)));
    worker.stop().await;
    test.engine.stop().await;
}

/// The file of this name, somewhere below the folder.
fn find(folder: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().flatten().find_map(|entry| match entry.path() {
        path if path.is_dir() => find(&path, name),
        path => path.ends_with(name).then_some(path),
    })
}

#[tokio::test]
async fn a_canceled_and_a_timed_out_run_are_told_to_stop() {
    let test = TestEngine::new().await;
    let (started, stopped) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let mut handlers = Handlers::new();
    let (s, t) = (started.clone(), stopped.clone());
    handlers.register(name("k"), move |task| {
        let (started, stopped) = (s.clone(), t.clone());
        async move {
            started.notify_one();
            task.cancel.cancelled().await;
            stopped.fetch_add(1, SeqCst);
            Err(Failure::of(FailureCode::Failed, "stopped"))
        }
    });
    let worker = LocalWorker::start(&test.engine, handlers, LocalOptions { grace: 60_000, ..options(2) });
    let canceled = test.submit(new_job()).await;
    started.notified().await;
    test.engine.cancel(canceled.no, false, None).await.unwrap();
    assert_eq!(test.done(&canceled).await.job.state, State::Canceled);

    let retry = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
    let timed =
        test.submit(NewJob { timeout: 1_000, spec: Box::new(Spec { retry, ..Spec::default() }), ..new_job() }).await;
    started.notified().await;
    test.clock.advance(1_001);
    let record = test.done(&timed).await;
    assert_eq!(record.failure.unwrap().code, FailureCode::Timeout);
    worker.stop().await;
    assert_eq!(stopped.load(SeqCst), 2);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_function_that_does_not_stop_is_dropped() {
    let test = TestEngine::new().await;
    let started = Arc::new(Notify::new());
    let mut handlers = Handlers::new();
    let s = started.clone();
    handlers.register(name("k"), move |_| {
        s.notify_one();
        std::future::pending()
    });
    let worker = LocalWorker::start(&test.engine, handlers, options(1));
    let job = test.submit(new_job()).await;
    started.notified().await;
    test.engine.cancel(job.no, false, None).await.unwrap();
    assert_eq!(test.done(&job).await.job.state, State::Canceled);
    worker.stop().await;
    test.engine.stop().await;
}

/// The data as it lies when a program is killed: its next start knows that what it ran is gone.
#[tokio::test]
async fn what_a_killed_program_ran_is_not_waited_for() {
    let test = TestEngine::new().await;
    let (mut handlers, begun) = (Handlers::new(), Arc::new(Notify::new()));
    let begins = begun.clone();
    handlers.register(name("k"), move |_| {
        begins.notify_one();
        std::future::pending()
    });
    let worker = LocalWorker::start(&test.engine, handlers, LocalOptions { grace: 0, ..LocalOptions::default() });
    let job = test.submit(new_job()).await;
    begun.notified().await;
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (SqliteOptions::in_folder(test.folder.path()), folder.path().join("as-it-was"));
    SqliteStore::backup(&from, &to).unwrap();
    let clock = Arc::new(SteppedClock::new(job.created_at));
    let after = SqliteOptions { clock: clock.clone(), ..SqliteOptions::in_folder(&to) };
    let after = SqliteStore::open(after).unwrap();
    clock.advance(limits::OWN_RUNS_END_MILLIS);
    let lost = Overrun { lease: LeaseRef { no: job.no, attempt: 1 }, why: Overdue::Lost };
    assert_eq!(after.overdue(9).await.unwrap(), [lost]);
    after.close().await;
    test.engine.settle(lost.lease, Outcome::Complete(json("1"))).await.unwrap();
    worker.stop().await;
    test.engine.stop().await;
}
