//! The way to a store's data from outside: for reading, beside the server that has it or without one.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::files::{ELSEWHERE, beside, find, lock_of, real, unreadable};
use crate::StoreError;
use crate::sqlite::connection::{formats, keep_plans};
use crate::sqlite::mark;
use crate::sqlite::options::SqliteOptions;

/// The data of a store, open for reading. Where no server has it, none gets it until this is dropped.
pub(crate) struct ReadOnly {
    pub db: Connection,
    /// Whether a server has the data.
    pub served: bool,
    /// The lock of the data, which keeps servers out; `None` where one has it, or the data is a copy without a lock.
    pub kept_out: Option<File>,
}

impl SqliteOptions {
    /// The data, for a program that reads it and is no server.
    ///
    /// # Errors
    /// When there is no such data, or it is of another format than this program's.
    pub(crate) fn open_read_only(&self) -> Result<ReadOnly, StoreError> {
        let data = open_read_only(self)?;
        match formats(&data.db) {
            (found, known) if found > known => Err(StoreError::TooNew { found, known }),
            (found, known) if found < known => Err(StoreError::Other(format!(
                "the data has format {found}, this program writes {known}: let a server of this version open it once"
            ))),
            _ => Ok(data),
        }
    }
}

/// The data of `options`, of whatever format.
///
/// # Errors
/// [`StoreError::Refused`] when there is none, or it can't be read.
pub(crate) fn open_read_only(options: &SqliteOptions) -> Result<ReadOnly, StoreError> {
    find(options)?;
    let path = &real(&options.path);
    let (kept_out, served) = keep_out(&lock_of(path))
        .map_err(|error| unreadable(&lock_of(path), &error, error.kind() == io::ErrorKind::PermissionDenied))?;
    let forbidden = |error: &rusqlite::Error| {
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly)
        )
    };
    let db = connect(path, !served).map_err(|error| unreadable(path, &error, forbidden(&error)))?;
    mark::check(&db, path)?;
    let has_jobs = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name IN ('job', 'event', 'meta'))";
    if db.query_row(has_jobs, [], |row| row.get(0)).is_ok_and(|has_jobs: bool| !has_jobs) {
        let why = format!("{} holds no jobs: no server has been started on it", path.display());
        return Err(StoreError::Refused { why, next: ELSEWHERE.to_owned() });
    }
    Ok(ReadOnly { db, served, kept_out })
}

/// Whether a server runs on the data; if not, the lock that keeps one from starting meanwhile. A copy of a data folder
/// has no lock, and nobody serves it.
fn keep_out(lock: &Path) -> io::Result<(Option<File>, bool)> {
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, false)),
        Err(error) => return Err(error),
    };
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok((Some(file), false)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok((None, true)),
        Err(error) => Err(error.into()),
    }
}

/// Opens the database for reading. Where nobody has it and its log is folded in, it is opened as it lies: a reader
/// would otherwise leave an empty log and index of it beside the file.
fn connect(path: &Path, alone: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    let db = if alone && log == 0 {
        let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    db.set_prepared_statement_cache_capacity(64);
    keep_plans(&db)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -16384")?;
    // Nothing is read until now: a file that is no database says so here.
    db.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |_| Ok(()))?;
    Ok(db)
}

/// Sees to it that the file is a database of Raincheck, or becomes one: there is none yet, or nothing is in it. Nothing is
/// changed, and no file is made beside it. What is damaged is somebody else's to tell.
pub(in crate::sqlite) fn check(path: &Path) -> Result<(), StoreError> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(());
    }
    match open_to_check(path) {
        Ok(db) => mark::check(&db, path),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Err(mark::anothers(path)),
        Err(_) => Ok(()),
    }
}

/// A crash in the first moment, when the file is marked, leaves its beginning and a journal. That is rolled back by who
/// reads it next, and may write.
fn open_to_check(path: &Path) -> rusqlite::Result<Connection> {
    match std::fs::metadata(beside(path, "-journal")) {
        Ok(journal) if journal.len() > 0 => {
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        }
        _ => connect(path, true),
    }
}
