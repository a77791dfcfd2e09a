//! What tells a database of Raincheck from any other file: the application id of its header.

use std::path::Path;

use rusqlite::Connection;

use crate::StoreError;

/// `Rain`, as SQLite's `PRAGMA application_id` has it.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"Rain");

/// Marks a database that nobody has written in yet.
pub(super) fn mark(db: &Connection) -> rusqlite::Result<()> {
    if application_id(db)? == 0 { db.pragma_update(None, "application_id", APPLICATION_ID) } else { Ok(()) }
}

/// Sees to it that an open database is one of Raincheck, or becomes one: nothing is in it. What is damaged is somebody else's
/// to tell.
pub(super) fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
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

/// That it is not.
pub(super) fn anothers(path: &Path) -> StoreError {
    StoreError::Refused {
        why: format!("{} is not a Raincheck database: it is another program's, and is left as it is", path.display()),
        next:
            "name another file with --store sqlite:PATH, or another folder with --data FOLDER; if it was ours and is \
               damaged, keep a copy of it and go back to a backup"
                .to_owned(),
    }
}
