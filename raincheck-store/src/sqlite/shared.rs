use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use parking_lot::{Mutex, RwLock};
use raincheck_core::{Clock, Name};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc::UnboundedSender;

use super::tables::Tables;
use crate::StoreError;
use crate::blobs::{BlobFolder, Blobs};
use crate::codec::CodecError;
use crate::commit_times::CommitClock;
use crate::leases::Leases;
use crate::records::{Commit, QueueFigures};

/// Means "nothing to do" in the times below.
pub(super) const NEVER: i64 = i64::MAX;

/// What the writer, the checkpointer and the readers share.
pub(super) struct Shared {
    pub path: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub tables: Tables,
    pub leases: Mutex<Leases>,
    pub queues: RwLock<BTreeMap<Name, QueueFigures>>,
    pub kind_caps: RwLock<HashMap<i64, u32>>,
    pub commits: Mutex<Option<UnboundedSender<Commit>>>,
    pub head: AtomicI64,
    pub next_due: AtomicI64,
    pub next_retirement: AtomicI64,
    pub wal_pages: AtomicI64,
    pub transactions: AtomicU64,
    pub refused_writes: AtomicU64,
    pub commit_clock: CommitClock,
    pub free_bytes: AtomicU64,
    pub low_space: AtomicBool,
    pub stopped: RwLock<Option<String>>,
    pub folder: BlobFolder,
    pub blobs: Blobs,
    pub secret: [u8; 32],
    /// See [`crate::Store::own_workers`].
    pub own_workers: Box<str>,
    readers: Mutex<Vec<Connection>>,
}

/// Connections kept for readers; more are opened under load and closed after.
const READERS: usize = 8;

impl Shared {
    pub fn new(
        path: PathBuf,
        clock: Arc<dyn Clock>,
        tables: Tables,
        folder: BlobFolder,
        secret: [u8; 32],
        own_workers: Box<str>,
    ) -> Self {
        Shared {
            path,
            clock,
            tables,
            leases: Mutex::default(),
            queues: RwLock::default(),
            kind_caps: RwLock::default(),
            commits: Mutex::default(),
            head: AtomicI64::new(0),
            next_due: AtomicI64::new(NEVER),
            next_retirement: AtomicI64::new(NEVER),
            wal_pages: AtomicI64::new(0),
            transactions: AtomicU64::new(0),
            refused_writes: AtomicU64::new(0),
            commit_clock: CommitClock::default(),
            free_bytes: AtomicU64::new(u64::MAX),
            low_space: AtomicBool::new(false),
            stopped: RwLock::default(),
            blobs: Blobs::from(folder.clone()),
            folder,
            secret,
            own_workers,
            readers: Mutex::default(),
        }
    }

    /// Runs a short read on this thread. Point reads take microseconds, less than handing them to another thread;
    /// long ones go through `spawn_blocking` and come here in slices, so that no read transaction stays open.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
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

pub(crate) fn other(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::NoSpace,
        _ => StoreError::Other(error.to_string()),
    }
}

/// Plans statements once: without this, SQLite plans those anew at every call whose bound values it once compared
/// with the condition of a partial index, which costs more than the statements themselves.
pub(super) fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

impl From<CodecError> for rusqlite::Error {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Write(_) => rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
            CodecError::Read(_) => {
                rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
            }
        }
    }
}
