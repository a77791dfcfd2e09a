//! A database on PostgreSQL with partitions of a minute, for tests of what goes by the partition.

use std::sync::Arc;

use raincheck_core::{
    Command, Event, FeedRetention, Job, LeaseRef, Millis, NewJob, Outcome, Reply, Retention, Settle, SteppedClock,
    Submitted, Timestamp, Trim, limits,
};
use raincheck_store::conformance::{KIND, Setup, complete, new_job, worker_asks};
use raincheck_store::{EventFilter, PostgresOptions, PostgresStore, Store};
use tokio_postgres::{Client, NoTls};

use crate::postgres::Base;

pub(crate) const MINUTE: Millis = 60_000;
pub(crate) const HOUR: Millis = 60 * MINUTE;
/// So long after its end, a partition is looked at.
pub(crate) const SETTLED: Millis = HOUR + MINUTE;

/// A database with partitions of a minute, and a node on it.
pub(crate) struct Site {
    pub base: Base,
    pub setup: Setup,
    pub store: Arc<PostgresStore>,
}

impl Site {
    pub async fn new() -> Site {
        Site::keeping(FeedRetention::default()).await
    }

    pub async fn keeping(feed: FeedRetention) -> Site {
        // Some days behind what the database was made with, which goes.
        let clock = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000 + 10 * 24 * HOUR)));
        let setup = Setup {
            clock,
            seed: 1,
            max_queued: limits::QUEUED_PER_QUEUE,
            max_in_all: limits::QUEUED_IN_ALL,
            tombstone: limits::TOMBSTONE_MILLIS,
            feed,
            following: Default::default(),
        };
        let base = Base::new();
        let store = PostgresStore::open(Site::options(&base, &setup)).await.unwrap();
        assert!(store.maintain().await.unwrap().dropped > 0);
        assert!(store.maintain().await.unwrap().trimmed > 0);
        Site { base, setup, store }
    }

    pub fn options(base: &Base, setup: &Setup) -> PostgresOptions {
        PostgresOptions { partition_length: MINUTE, ..base.options(setup) }
    }

    /// Another node.
    pub async fn node(&self) -> Arc<PostgresStore> {
        PostgresStore::open(Site::options(&self.base, &self.setup)).await.unwrap()
    }

    pub fn pass(&self, time: Millis) {
        self.setup.clock.advance(time);
    }

    pub async fn one(&self, command: Command) -> Reply {
        self.store.apply(vec![command]).await.unwrap().remove(0)
    }

    pub async fn create(&self, new: NewJob) -> Job {
        match self.one(Command::Submit(vec![new])).await {
            Reply::Submitted(all) if matches!(all[..], [Submitted::New(_)]) => all[0].job().clone(),
            other => panic!("not new: {other:?}"),
        }
    }

    pub async fn lease(&self, max: usize) -> Vec<LeaseRef> {
        match self.one(Command::Lease(worker_asks(&[KIND], max))).await {
            Reply::Leased(leased) => leased.iter().map(|(job, _)| job.lease_ref()).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub async fn settle(&self, lease: LeaseRef, outcome: Outcome) {
        let reply = self.one(Command::Settle(Settle { lease, outcome })).await;
        assert!(matches!(reply, Reply::Job(_)), "{reply:?}");
    }

    /// A job that succeeded, and is kept so long.
    pub async fn done(&self, keep: Millis) -> Job {
        let job = self.create(kept(keep)).await;
        let leases = self.lease(1).await;
        self.settle(leases[0], complete("\"result\"")).await;
        job
    }

    pub async fn purge_expired(&self) -> usize {
        match self.one(Command::PurgeExpired(1_000)).await {
            Reply::Swept(n, _) => n,
            other => panic!("{other:?}"),
        }
    }

    /// Trims the feed as far as it may be.
    pub async fn trim(&self) {
        while self.one(Command::Trim(Trim::of(1_000))).await != Reply::Swept(0, Default::default()) {}
    }

    pub async fn events(&self) -> Vec<Event> {
        self.store.events(Default::default(), &EventFilter::default(), 9_999).await.unwrap().items
    }

    pub fn sql(&self, sql: &str) -> String {
        self.base.database.run(sql).unwrap()
    }

    /// How many partitions `event` has.
    pub fn event_partitions(&self) -> usize {
        self.sql("SELECT count(*) FROM pg_inherits WHERE inhparent='event'::regclass").parse().unwrap()
    }

    /// How many partitions `spec` has.
    pub fn partitions(&self) -> usize {
        let of = |table: &str| {
            self.sql(&format!("SELECT count(*) FROM pg_inherits WHERE inhparent='{table}'::regclass")).parse().unwrap()
        };
        let all: [usize; 4] = ["spec", "result", "report", "chunk"].map(of);
        assert!(all.iter().all(|n| *n == all[0]), "{all:?}");
        assert_eq!(self.sql("SELECT count(suffix) FROM partition"), all[0].to_string());
        assert_eq!(self.sql("SELECT count(*) FROM partition"), self.event_partitions().to_string());
        all[0]
    }

    pub async fn is_sound(&self) {
        let mut checkup = self.store.check().unwrap();
        while let Some(page) = checkup.page().await.unwrap() {
            assert_eq!(page.findings, []);
        }
    }

    pub async fn close(self) {
        self.is_sound().await;
        assert_eq!(self.store.refused_writes(), 0);
        self.store.close().await;
    }
}

pub(crate) fn kept(keep: Millis) -> NewJob {
    NewJob { retention: Retention { succeeded: keep, failed: keep }, ..new_job() }
}

/// Somebody else's connection.
pub(crate) async fn stranger(site: &Site) -> Client {
    let (client, connection) = tokio_postgres::connect(&site.base.database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
