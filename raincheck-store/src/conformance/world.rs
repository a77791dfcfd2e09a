//! The surroundings of one behaviour: a store, the place its data lies in, a clock, and what the store published.

use std::sync::Arc;

use async_trait::async_trait;
use raincheck_core::interpreter::Following;
use raincheck_core::{
    Cancel, Command, Event, FeedRetention, Job, JobNo, LeaseJobs, LeaseRef, NewJob, Outcome, Refusal, Reply, Settle,
    Spec, SteppedClock, Submitted, Timestamp, Trim, limits,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::make::{KIND, worker_asks};
use crate::{Commit, Found, Record, Store, StoreError};

/// How soon a store tells of what is committed, at the latest.
const TOLD_WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

/// Somewhere a store keeps its data: opened again, the data is there again.
#[async_trait]
pub trait Place: Send + Sync + 'static {
    /// Opens a store on the data.
    async fn open(&self, setup: &Setup) -> Result<Arc<dyn Store>, StoreError>;

    /// Every which seed a random script is run of: each one, where that is not too slow.
    fn every(&self) -> usize {
        1
    }
}

/// What a behaviour asks of the store it is given.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The only clock there is: time goes on when a behaviour steps it.
    pub clock: Arc<SteppedClock>,
    /// Seed of all randomness.
    pub seed: u64,
    /// Most waiting jobs of a queue that says nothing else.
    pub max_queued: u64,
    /// Most waiting jobs in all.
    pub max_in_all: u64,
    /// How long purged jobs are remembered, milliseconds.
    pub tombstone: i64,
    /// How much of the feed stays when its jobs are forgotten.
    pub feed: FeedRetention,
    /// How it deals with follow-ups.
    pub following: Following,
}

/// One store and all around it.
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Arc<SteppedClock>,
    /// How it is opened; a change counts from the next [`World::restart`] on.
    pub setup: Setup,
    fresh: Arc<dyn Fn() -> Box<dyn Place> + Send + Sync>,
    place: Box<dyn Place>,
    commits: UnboundedReceiver<Commit>,
    published: Vec<Event>,
}

impl World {
    /// A new, empty one.
    pub async fn new<P: Place>(fresh: fn() -> P) -> World {
        World::seeded(Arc::new(move || Box::new(fresh())), 1).await
    }

    /// Another one in a place of its own, with its own seed.
    pub async fn another(&self, seed: u64) -> World {
        World::seeded(self.fresh.clone(), seed).await
    }

    async fn seeded(fresh: Arc<dyn Fn() -> Box<dyn Place> + Send + Sync>, seed: u64) -> World {
        let place = fresh();
        let clock = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000)));
        let setup = Setup {
            clock: clock.clone(),
            seed,
            max_queued: limits::QUEUED_PER_QUEUE,
            max_in_all: limits::QUEUED_IN_ALL,
            tombstone: limits::TOMBSTONE_MILLIS,
            feed: FeedRetention::default(),
            following: Following::default(),
        };
        let store = place.open(&setup).await.unwrap();
        let commits = store.commits();
        World { store, clock, setup, fresh, place, commits, published: Vec::new() }
    }

    /// See [`Place::every`].
    pub(super) fn every(&self) -> usize {
        self.place.every()
    }

    /// Closes the store and opens its data again.
    pub async fn restart(&mut self) {
        self.published();
        self.store.close().await;
        self.store = self.place.open(&self.setup).await.unwrap();
        self.commits = self.store.commits();
    }

    /// Every event the store published, since the beginning.
    pub fn published(&mut self) -> &[Event] {
        while let Ok(commit) = self.commits.try_recv() {
            self.published.extend(commit.events);
        }
        &self.published
    }

    /// Takes the place of the reader of commits.
    pub fn listen(&mut self) {
        self.published();
        self.commits = self.store.commits();
    }

    /// Checks what must hold whatever happened, then closes.
    pub async fn finish(&mut self) {
        // A store that had to ask what became of a commit tells of it a little later.
        let (head, _) = self.store.feed_bounds().await.unwrap();
        while self.published().last().map(|event| event.cursor).unwrap_or_default() < head
            && let Ok(Some(commit)) = tokio::time::timeout(TOLD_WITHIN, self.commits.recv()).await
        {
            self.published.extend(commit.events);
        }
        super::check::check(&*self.store, &self.published).await;
        self.store.close().await;
    }

    /// Carries out one command.
    pub async fn one(&self, command: Command) -> Reply {
        let mut replies = self.store.apply(vec![command]).await.unwrap();
        assert_eq!(replies.len(), 1);
        replies.remove(0)
    }

    /// Submits one job; it must be taken.
    pub async fn submit(&self, new: NewJob) -> Submitted {
        match self.one(Command::Submit(vec![new])).await {
            Reply::Submitted(mut all) if all.len() == 1 => all.remove(0),
            other => panic!("not taken: {other:?}"),
        }
    }

    /// Submits one job; it must be new.
    pub async fn create(&self, new: NewJob) -> Job {
        match self.submit(new).await {
            Submitted::New(job) => job,
            other => panic!("not new: {other:?}"),
        }
    }

    /// Submits one job; it must be refused.
    pub async fn refused(&self, new: NewJob) -> Refusal {
        match self.one(Command::Submit(vec![new])).await {
            Reply::Refused(0, refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Leases at most so many jobs of [`KIND`].
    pub async fn lease(&self, max: usize) -> Vec<(Job, Spec)> {
        self.ask(worker_asks(&[KIND], max)).await
    }

    /// Leases what a request asks for.
    pub async fn ask(&self, request: LeaseJobs) -> Vec<(Job, Spec)> {
        match self.one(Command::Lease(request)).await {
            Reply::Leased(leased) => leased,
            other => panic!("not an answer to a lease: {other:?}"),
        }
    }

    /// Leases the only job of [`KIND`] there is to lease.
    pub async fn run_one(&self) -> LeaseRef {
        let leased = self.lease(10).await;
        assert_eq!(leased.len(), 1, "exactly one job was ready");
        leased[0].0.lease_ref()
    }

    /// A new job of [`KIND`], and the run it is on.
    pub async fn running(&self, new: NewJob) -> LeaseRef {
        let job = self.create(new).await;
        let lease = self.run_one().await;
        assert_eq!(lease.no, job.no);
        lease
    }

    /// Ends a run.
    pub async fn settle(&self, lease: LeaseRef, outcome: Outcome) -> Reply {
        self.one(Command::Settle(Settle { lease, outcome })).await
    }

    /// Ends a run; it must be taken. Answers the job after it.
    pub async fn end(&self, lease: LeaseRef, outcome: Outcome) -> Job {
        match self.settle(lease, outcome).await {
            Reply::Job(job) => job,
            other => panic!("not settled: {other:?}"),
        }
    }

    /// Calls a job off.
    pub async fn cancel(&self, no: JobNo) -> Reply {
        self.one(Command::Cancel(Cancel { no, force: false, seq: None })).await
    }

    /// Runs a sweep; answers how many it found.
    pub async fn sweep(&self, command: Command) -> usize {
        match self.one(command).await {
            Reply::Swept(n, _) => n,
            other => panic!("not an answer to a sweep: {other:?}"),
        }
    }

    /// Trims the feed as far as it goes; answers how many events that went through.
    pub async fn trim(&self) -> usize {
        let mut all = 0;
        loop {
            match self.sweep(Command::Trim(Trim::of(7))).await {
                0 => return all,
                n => all += n,
            }
        }
    }

    /// A job that must be there.
    pub async fn record(&self, no: JobNo) -> Record {
        *self.store.record(no).await.unwrap().unwrap()
    }

    /// A job that must be found under its public id.
    pub async fn found(&self, job: &Job) -> Record {
        match self.store.job(job.id).await.unwrap() {
            Found::Here(record) => {
                assert_eq!(self.store.job_row(job.id).await.unwrap(), Found::Here(record.job.clone()));
                *record
            }
            other => panic!("not found: {other:?}"),
        }
    }

    /// The words of a job's events, in order.
    pub async fn story(&self, no: JobNo) -> String {
        let events = self.store.job_events(no, 0, 1_000).await.unwrap();
        let words: Vec<_> = events.iter().map(|event| event.data.event_type().as_str()).collect();
        words.join(" ")
    }
}
