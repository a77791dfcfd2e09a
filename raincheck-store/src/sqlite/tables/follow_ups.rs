//! What follows from decisions and was too much for their transactions.

use raincheck_core::JobNo;
use raincheck_core::interpreter::FollowUp;
use rusqlite::{Connection, Row};

use crate::sqlite::error::{Result, SqliteError};

/// Leaves one over.
pub(crate) const LEAVE: &str = "INSERT INTO follow_up (what, no) VALUES (?1, ?2)";
/// Takes up the oldest, at most so many; [`read`] reads what it answers.
pub(crate) const TAKE_UP: &str = "DELETE FROM follow_up WHERE id IN (SELECT id FROM follow_up ORDER BY id LIMIT ?1) \
    RETURNING id, what, no";

pub(crate) fn read(row: &Row<'_>) -> Result<FollowUp> {
    let what = row.get(1)?;
    FollowUp::of_parts(what, JobNo(row.get(2)?))
        .ok_or_else(|| SqliteError::unreadable(format!("{what} is nothing that may follow")))
}

/// Whether something was left over.
pub(crate) fn is_left_over(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM follow_up)")?
        .query_row([], |row| row.get(0))
        .map_err(SqliteError::from)
}
