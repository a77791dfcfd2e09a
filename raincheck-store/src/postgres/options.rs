use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use raincheck_core::interpreter::Following;
use raincheck_core::{Clock, FeedRetention, Millis, SteadyClock, limits};

use crate::blobs::BlobPlace;
use crate::postgres::node::clock::Time;

/// A day: space comes back at most so much later than retention says, and a month of retention is some thirty
/// partitions of a table.
const PARTITION_LENGTH: Millis = 86_400_000;

/// How to open a [`PostgresStore`](crate::PostgresStore).
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where the database is, `postgres://user:password@host/name?sslmode=require`.
    pub url: String,
    /// Read anew for every connection, where the password is not to stay what it is in `url`.
    pub password_file: Option<PathBuf>,
    /// Where large payloads are, the same for all nodes.
    pub blobs: BlobPlace,
    /// This node's clock.
    pub clock: Arc<dyn Clock>,
    /// Whose clock decides.
    pub time: Time,
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
    /// How much time a partition is long, milliseconds: what is written about the jobs made in it lies together, and
    /// what is forgotten gives its space back by the partition.
    pub partition_length: Millis,
    /// When a look for jobs that are ready, due or over has taken so long, those after it begin where it ended, for a
    /// while: so somebody's open transaction, which keeps the entries of all that were, does not slow down every look.
    pub slow_scan: Duration,
    /// How it deals with follow-ups: for tests.
    #[doc(hidden)]
    pub following: Following,
    /// Most connections for reading.
    pub readers: usize,
    /// Tell other nodes of every transaction at once, by `NOTIFY`. Without it they look by themselves.
    pub notify: bool,
}

impl PostgresOptions {
    /// The database at `url` with large payloads in `blobs`, all else by default.
    pub fn at(url: impl Into<String>, blobs: impl Into<BlobPlace>) -> Self {
        PostgresOptions {
            url: url.into(),
            password_file: None,
            blobs: blobs.into(),
            clock: Arc::new(SteadyClock::default()),
            time: Time::Database,
            seed: None,
            max_queued: limits::QUEUED_PER_QUEUE,
            max_in_all: limits::QUEUED_IN_ALL,
            tombstone: limits::TOMBSTONE_MILLIS,
            feed: FeedRetention::default(),
            partition_length: PARTITION_LENGTH,
            slow_scan: Duration::from_millis(5),
            following: Following::default(),
            readers: 8,
            notify: true,
        }
    }
}
