use std::path::{Path, PathBuf};
use std::sync::Arc;

use raincheck_core::interpreter::Following;
use raincheck_core::{Clock, FeedRetention, Millis, SteadyClock, limits};

/// How to open a [`crate::SqliteStore`].
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file; made if it is not there.
    pub path: PathBuf,
    /// The folder of large payloads; made if it is not there.
    pub blobs: PathBuf,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Seed of the randomness; `None` takes the system's.
    pub seed: Option<u64>,
    /// Most waiting jobs of a queue that says nothing else.
    pub max_queued: u64,
    /// Most waiting jobs in all.
    pub max_in_all: u64,
    /// How long purged jobs are remembered, milliseconds.
    pub tombstone: Millis,
    /// How much of the feed stays when its jobs are forgotten.
    pub feed: FeedRetention,
    /// Submits are refused while less than this is free on the disk, bytes: what is left serves everything else.
    pub reserve_bytes: u64,
    /// How it deals with follow-ups: for tests.
    #[doc(hidden)]
    pub following: Following,
    /// Sync every transaction to disk before it is answered. Off is for tests that show what that costs.
    pub durable: bool,
}

impl SqliteOptions {
    /// `raincheck.db` and `blobs/` in `folder`, all else by default.
    pub fn in_folder(folder: &Path) -> Self {
        SqliteOptions {
            path: folder.join("raincheck.db"),
            blobs: folder.join("blobs"),
            clock: Arc::new(SteadyClock::default()),
            seed: None,
            max_queued: limits::QUEUED_PER_QUEUE,
            max_in_all: limits::QUEUED_IN_ALL,
            tombstone: limits::TOMBSTONE_MILLIS,
            feed: FeedRetention::default(),
            reserve_bytes: limits::DISK_RESERVE_BYTES,
            following: Following::default(),
            durable: true,
        }
    }
}
