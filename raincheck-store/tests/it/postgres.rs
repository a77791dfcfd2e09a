//! The store on PostgreSQL passes the suite of every store, each behavior in a database of its own.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use pgcluster::{Cluster, Database};
use raincheck_core::{SteppedClock, Timestamp};
use raincheck_store::conformance::{Place, Setup};
use raincheck_store::{PostgresOptions, PostgresStore, Store, StoreError, Time};
use tempfile::TempDir;

use crate::folder;

/// Made once, with its tables, and copied for each test.
static TEMPLATE: LazyLock<Database<'static>> = LazyLock::new(|| {
    let database = Cluster::shared().database().expect("a database to copy");
    let folder = tempfile::tempdir().expect("a folder");
    // At the time at which tests begin, so that its partitions are there.
    let clock = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000)));
    let options = PostgresOptions { clock, time: Time::Given, ..PostgresOptions::at(database.url(), folder.path()) };
    let made = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { PostgresStore::open(options).await.expect("a new store").close().await });
    });
    made.join().expect("the tables are made");
    // What was made with them is made anew in each copy.
    database.run("DELETE FROM meta").expect("a secret is forgotten");
    // Nobody may be connected to what is copied.
    database.disconnect().expect("nobody is connected");
    database
});

/// A database and a folder of large payloads, for as long as a test lives.
pub struct Base {
    pub database: Database<'static>,
    pub folder: TempDir,
}

impl Base {
    pub fn new() -> Self {
        let database = Cluster::shared().database_like(TEMPLATE.name()).expect("a database for a test");
        Base { database, folder: folder::fresh() }
    }

    pub fn options(&self, setup: &Setup) -> PostgresOptions {
        let options = PostgresOptions::at(self.database.url(), &self.folder.path().join("blobs"));
        PostgresOptions {
            clock: setup.clock.clone(),
            time: Time::Given,
            seed: Some(setup.seed),
            max_queued: setup.max_queued,
            max_in_all: setup.max_in_all,
            tombstone: setup.tombstone,
            feed: setup.feed,
            following: setup.following,
            // Half of them as if looks for ready jobs were always slow.
            slow_scan: if setup.seed.is_multiple_of(2) { Duration::ZERO } else { options.slow_scan },
            readers: 4,
            ..options
        }
    }
}

#[async_trait]
impl Place for Base {
    async fn open(&self, setup: &Setup) -> Result<Arc<dyn Store>, StoreError> {
        PostgresStore::open(self.options(setup)).await.map(|store| store as Arc<dyn Store>)
    }

    /// A script takes a second of processor time here, most of it in some thousand exchanges with the server, and a
    /// tenth of that on SQLite: with all seeds, scripts were half the time of this crate's tests.
    fn every(&self) -> usize {
        2
    }
}
