//! What tells a database of Raincheck from any other file: the application id of its header.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::disk::files::beside;
use super::disk::read_only;
use crate::StoreError;

/// `Rain`, as SQLite's `PRAGMA application_id` has it.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"Rain");

/// Marks a database that nobody has written in yet.
pub(super) fn mark(db: &Connection) -> rusqlite::Result<()> {
    if application_id(db)? == 0 { db.pragma_update(None, "application_id", APPLICATION_ID) } else { Ok(()) }
}

/// Sees to it that the file is a database of Raincheck, or becomes one: there is none yet, or nothing is in it. Nothing is
/// changed, and no file is made beside it. What is damaged is somebody else's to tell.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    if fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(());
    }
    match open(path) {
        Ok(db) => check_open(&db, path),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Err(anothers(path)),
        Err(_) => Ok(()),
    }
}

/// A crash in the first moment, when the file is marked, leaves its beginning and a journal. That is rolled back by who
/// reads it next, and may write.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    match fs::metadata(beside(path, "-journal")) {
        Ok(journal) if journal.len() > 0 => {
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        }
        _ => read_only::connect(path, true),
    }
}

/// The same of one that is open.
pub(super) fn check_open(db: &Connection, path: &Path) -> Result<(), StoreError> {
    match is_ours(db) {
        Ok(false) => Err(anothers(path)),
        Ok(true) | Err(_) => Ok(()),
    }
}

fn is_ours(db: &Connection) -> rusqlite::Result<bool> {
    let is_empty = || db.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0));
    Ok(match application_id(db)? {
        APPLICATION_ID => true,
        0 => is_empty()?,
        _ => false,
    })
}

fn application_id(db: &Connection) -> rusqlite::Result<i32> {
    db.pragma_query_value(None, "application_id", |row| row.get(0))
}

fn anothers(path: &Path) -> StoreError {
    StoreError::Refused {
        why: format!("{} is not a Raincheck database: it is another program's, and is left as it is", path.display()),
        next:
            "name another file with --store sqlite:PATH, or another folder with --data FOLDER; if it was ours and is \
               damaged, keep a copy of it and go back to a backup"
                .to_owned(),
    }
}
