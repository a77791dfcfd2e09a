//! A folder that a store on SQLite keeps its data in, for as long as a test lives.

use std::sync::Arc;

use async_trait::async_trait;
use raincheck_store::conformance::{Place, Setup};
use raincheck_store::{SqliteOptions, SqliteStore, Store, StoreError};
use tempfile::TempDir;

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().expect("a folder for a test"))
    }

    pub fn options(&self, setup: &Setup) -> SqliteOptions {
        SqliteOptions {
            clock: setup.clock.clone(),
            seed: Some(setup.seed),
            max_queued: setup.max_queued,
            max_in_all: setup.max_in_all,
            tombstone: setup.tombstone,
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
