use std::sync::Arc;

use raincheck_core::{
    Digest, Event, Failure, FailureCode, Job, LeaseRef, Millis, Name, NewJob, Outcome, Progress, SteppedClock,
    Timestamp,
};
use raincheck_engine::{Engine, Finish, LeaseRequest, Leased, Settings, Until, WorkerId, json};
use raincheck_store::{Found, Record, SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// Longest that any test waits for a fact, milliseconds; reached only when it fails.
pub const PATIENCE: Millis = 20_000;
/// Shorter than the engine's fallback polls: what comes within it was woken, not found by polling.
pub const AT_ONCE: std::time::Duration = std::time::Duration::from_millis(900);

/// An engine on a store of its own.
pub struct TestEngine {
    pub clock: Arc<SteppedClock>,
    pub engine: Engine,
    pub folder: TempDir,
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A job of kind `k` in queue `q`.
pub fn new_job() -> NewJob {
    NewJob::new(name("q"), name("k"))
}

pub fn percent(percent: f64) -> Progress {
    Progress { percent: Some(percent), ..Progress::default() }
}

pub fn failure() -> Outcome {
    let failure = Failure::of(FailureCode::Failed, "no");
    Outcome::Fail { failure, retryable: true, retry_after: None }
}

/// A request for up to `max` jobs of kind `k`.
pub fn request(max: usize, wait: Millis) -> LeaseRequest {
    LeaseRequest {
        worker: WorkerId { name: "tester".into(), version: None, trouble: None },
        queues: Vec::new(),
        kinds: vec![name("k")],
        patterns: Vec::new(),
        max,
        wait,
        ttl: 30_000,
        request_id: None,
        finish: Vec::new(),
    }
}

impl TestEngine {
    pub async fn new() -> TestEngine {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut SqliteOptions)) -> TestEngine {
        Self::of(change, |_| {}).await
    }

    pub async fn settings(change: impl FnOnce(&mut Settings)) -> TestEngine {
        Self::of(|_| {}, change).await
    }

    async fn of(change: impl FnOnce(&mut SqliteOptions), change_settings: impl FnOnce(&mut Settings)) -> TestEngine {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SteppedClock::new(Timestamp(1_700_000_000_000)));
        let mut options =
            SqliteOptions { clock: clock.clone(), seed: Some(1), ..SqliteOptions::in_folder(folder.path()) };
        change(&mut options);
        let (tombstone, feed_keep) = (options.tombstone, options.feed.keep);
        let mut settings = Settings { tombstone, feed_keep, ..Settings::default() };
        change_settings(&mut settings);
        let seen = options.clock.clone();
        let store = SqliteStore::open(options).unwrap();
        let engine = Engine::start(store, seen, settings).await.unwrap();
        TestEngine { clock, engine, folder }
    }

    pub async fn submit(&self, job: NewJob) -> Job {
        self.engine.submit(vec![job]).await.unwrap()[0].job().clone()
    }

    /// The next job, waiting for it as long as it takes.
    pub async fn lease(&self) -> Leased {
        let answer = self.engine.lease(request(1, PATIENCE)).await.unwrap();
        answer.leases.into_iter().next().expect("work came in time")
    }

    pub async fn complete(&self, lease: LeaseRef) -> Finish {
        self.engine.settle(lease, Outcome::Complete(json(r#"{"ok":true}"#))).await.unwrap()
    }

    pub async fn record(&self, job: &Job) -> Record {
        match self.engine.job(job.id).await.unwrap() {
            Found::Here(record) => *record,
            other => panic!("{other:?}"),
        }
    }

    /// The job once it is final.
    pub async fn done(&self, job: &Job) -> Record {
        match in_time(self.engine.wait(job.id, Until::Done, PATIENCE)).await.unwrap() {
            Found::Here(record) if record.job.state.is_final() => *record,
            other => panic!("not done: {other:?}"),
        }
    }

    /// The job once it has changed since `job` was read.
    pub async fn changed(&self, job: &Job) -> Record {
        match in_time(self.engine.wait(job.id, Until::ChangedFrom(job.seq), PATIENCE)).await.unwrap() {
            Found::Here(record) if record.job.seq != job.seq => *record,
            other => panic!("not changed: {other:?}"),
        }
    }

    pub async fn events(&self, job: &Job) -> Vec<Event> {
        self.engine.job_events(job.no, 0, 10_000).await.unwrap()
    }
}

/// What `future` answers, provided that it was told and did not find out when its own wait was over.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let begun = std::time::Instant::now();
    let answer = future.await;
    assert!(begun.elapsed().as_millis() < PATIENCE as u128 / 2, "nobody told");
    answer
}

/// A fingerprint made of one byte.
pub fn fingerprint(byte: u8) -> Digest {
    [byte; 16]
}
