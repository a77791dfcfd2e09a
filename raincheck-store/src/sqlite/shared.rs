use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use raincheck_core::{Clock, Name};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc::UnboundedSender;

use super::connection::keep_plans;
use super::disk::high_water::HighWater;
use super::disk::space::Space;
use super::disk::watch::Watch;
use super::error::{SqliteError, other};
use super::tables::names::KnownNames;
use crate::StoreError;
use crate::blobs::{BlobFolder, Blobs};
use crate::commit_times::CommitClock;
use crate::leases::Leases;
use crate::records::{Commit, QueueStats};

/// Means "nothing to do" in the times below.
pub(super) const NEVER: i64 = i64::MAX;

/// What the writer, the checkpointer and the readers share.
pub(super) struct Shared {
    /// The database file, from the options.
    pub path: PathBuf,
    /// The clock that decides, from the options.
    pub clock: Arc<dyn Clock>,
    /// Names of queues and kinds, read at the start; the writer adds and forgets some.
    pub names: KnownNames,
    /// Of running jobs, in memory alone: the writer changes them after each commit, heartbeats in between.
    pub leases: Mutex<Leases>,
    /// Settings and counters of each queue, as of the last commit.
    pub queues: RwLock<BTreeMap<Name, QueueStats>>,
    /// Most jobs of a kind that may run at once, by the kind's number; from [`crate::Store::cap_kind`].
    pub kind_caps: RwLock<HashMap<i64, u32>>,
    /// To the one reader of [`crate::Store::commits`]; `None` without one.
    pub commits: Mutex<Option<UnboundedSender<Commit>>>,
    /// Cursor of the last event that is on disk.
    pub head: AtomicI64,
    /// See [`crate::Store::next_due`]: milliseconds since 1970, or [`NEVER`].
    pub next_due: AtomicI64,
    /// See [`crate::Store::is_left_over`].
    pub left_over: AtomicBool,
    /// See [`crate::Store::next_expiry`]: milliseconds since 1970, or [`NEVER`].
    pub next_expiry: AtomicI64,
    /// Length of the write-ahead log at the last checkpoint, pages.
    pub wal_pages: AtomicI64,
    /// Transactions that were committed since the store was opened.
    pub transactions: AtomicU64,
    /// See [`crate::Store::refused_writes`].
    pub refused_writes: AtomicU64,
    /// How long transactions took.
    pub commit_clock: CommitClock,
    /// What submits may take of the disk.
    pub space: Space,
    /// Why nothing is taken any more; `None` while all is well.
    pub stopped: RwLock<Option<String>>,
    /// The files are not where they were opened: nothing that is written now would be found again.
    pub gone: AtomicBool,
    /// Which files were opened; set when the store is open.
    watch: OnceLock<Watch>,
    /// The folder of large payloads.
    pub folder: BlobFolder,
    /// The same, as every store has it.
    pub blobs: Blobs,
    /// See [`crate::Store::secret`]; from the table `meta`.
    pub secret: [u8; 32],
    /// How far the feed has come, in a file of its own.
    pub high_water: Mutex<HighWater>,
    /// See [`crate::Store::own_workers`].
    pub own_workers: Box<str>,
    /// Connections that no reader has at the moment, at most [`READERS`].
    readers: Mutex<Vec<Connection>>,
}

/// Connections kept for readers; more are opened under load and closed after.
const READERS: usize = 8;

impl Shared {
    pub fn new(
        path: PathBuf,
        clock: Arc<dyn Clock>,
        names: KnownNames,
        folder: BlobFolder,
        (secret, own_workers): ([u8; 32], Box<str>),
        high_water: HighWater,
        space: Space,
    ) -> Self {
        Shared {
            path,
            clock,
            names,
            leases: Mutex::default(),
            queues: RwLock::default(),
            kind_caps: RwLock::default(),
            commits: Mutex::default(),
            head: AtomicI64::new(0),
            next_due: AtomicI64::new(NEVER),
            left_over: AtomicBool::new(false),
            next_expiry: AtomicI64::new(NEVER),
            wal_pages: AtomicI64::new(0),
            transactions: AtomicU64::new(0),
            refused_writes: AtomicU64::new(0),
            commit_clock: CommitClock::default(),
            space,
            stopped: RwLock::default(),
            gone: AtomicBool::new(false),
            watch: OnceLock::new(),
            blobs: Blobs::from(folder.clone()),
            folder,
            secret,
            high_water: Mutex::new(high_water),
            own_workers,
            readers: Mutex::default(),
        }
    }

    /// Begins to look after the files.
    pub fn watch_over(&self, watch: Watch) {
        // Once, by whoever opens the store.
        let _ = self.watch.set(watch);
    }

    /// Looks after the files; answers whether they are gone. That stays so until a restart, whatever comes back: what is
    /// open are the files that went.
    pub fn look_after(&self) -> bool {
        let Some(watch) = self.watch.get() else { return false };
        if self.gone.load(Ordering::Relaxed) {
            return true;
        }
        // At the end SQLite itself removes its log.
        if self.stopped.read().is_some() {
            return false;
        }
        let Some(why) = watch.look(&self.folder) else { return false };
        self.gone.store(true, Ordering::Relaxed);
        let mut stopped = self.stopped.write();
        // It may have been closed since.
        if stopped.is_none() {
            tracing::error!(%why, "the data was deleted or replaced under the server; nothing is taken until a restart");
            *stopped = Some(format!("{why}; put the data back and start the server again"));
        }
        true
    }

    /// Why nothing is taken any more.
    pub fn stopped(&self) -> StoreError {
        let why = self.stopped.read().clone();
        StoreError::Stopped(why.unwrap_or_else(|| "the store is closed".to_owned()))
    }

    /// Runs a short read on this thread. Point reads take microseconds, less than handing them to another thread;
    /// long ones go through `spawn_blocking` and come here in slices, so that no read transaction stays open.
    pub fn read<T, E: Into<SqliteError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(self.stopped());
        }
        let kept = self.readers.lock().pop();
        let db = match kept {
            Some(db) => db,
            None => self.open_reader().map_err(other)?,
        };
        let done = work(&db).map_err(other);
        let mut readers = self.readers.lock();
        if readers.len() < READERS {
            readers.push(db);
        }
        done
    }

    pub fn open_reader(&self) -> rusqlite::Result<Connection> {
        if self.gone.load(Ordering::Relaxed) {
            // What lies there by now is another database, or none.
            return Err(rusqlite::Error::InvalidPath(self.path.clone()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        db.set_prepared_statement_cache_capacity(64);
        keep_plans(&db)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        db.execute_batch("PRAGMA cache_size = -4096; PRAGMA query_only = ON;")?;
        Ok(db)
    }

    pub fn close_readers(&self) {
        self.readers.lock().clear();
    }
}
