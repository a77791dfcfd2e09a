//! A folder that a store on SQLite keeps its data in, for as long as a test lives.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use raincheck_store::conformance::{Place, Setup};
use raincheck_store::{SqliteOptions, SqliteStore, Store, StoreError};
use tempfile::TempDir;

/// A folder in memory where there is one: hundreds of stores of some three hundred files are made here, and what a disk
/// keeps is shown elsewhere.
pub fn fresh() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for a test")
}

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(fresh())
    }

    pub fn options(&self, setup: &Setup) -> SqliteOptions {
        SqliteOptions {
            clock: setup.clock.clone(),
            seed: Some(setup.seed),
            max_queued: setup.max_queued,
            max_in_all: setup.max_in_all,
            tombstone: setup.tombstone,
            feed: setup.feed,
            following: setup.following,
            reserve_bytes: 0,
            ..SqliteOptions::in_folder(self.0.path())
        }
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self, setup: &Setup) -> Result<Arc<dyn Store>, StoreError> {
        SqliteStore::open(self.options(setup)).map(|store| store as Arc<dyn Store>)
    }
}
