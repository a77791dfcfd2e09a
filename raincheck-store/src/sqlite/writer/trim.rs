//! The feed's own retention: what it forgets, and when, of jobs that are forgotten.

use std::collections::BTreeSet;

use raincheck_core::limits::EVENT_BYTES;
use raincheck_core::{Cursor, JobNo, Purged, Reply, Timestamp, Trim};
use rusqlite::{Connection, Result, params};

use super::state::WriterState;
use crate::sqlite::tables::meta::{FLOOR, FORGOTTEN_BYTES, TRIMMED, number, set};

const OLDEST: &str = "SELECT cursor, no, at, coalesce(octet_length(data), 0), EXISTS (SELECT 1 FROM job WHERE job.no=event.no) \
    FROM event WHERE cursor>?1 ORDER BY cursor LIMIT ?2";

/// Before a job is forgotten: its events stay where they are, but for those that would have gone before if it had not been
/// there.
pub(super) fn let_go(db: &Connection, no: JobNo) -> Result<()> {
    let trimmed = number(db, TRIMMED)?;
    let (late, bytes): (Option<i64>, i64) = db
        .prepare_cached(
            "SELECT max(cursor) FILTER (WHERE cursor<=?2), \
             coalesce(sum(?3 + coalesce(octet_length(data), 0)) FILTER (WHERE cursor>?2), 0) FROM event WHERE no=?1",
        )?
        .query_row(params![no.0, trimmed, EVENT_BYTES as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let Some(late) = late {
        db.prepare_cached("DELETE FROM event WHERE no=?1 AND cursor<=?2")?.execute(params![no.0, trimmed])?;
        set(db, FLOOR, late.max(number(db, FLOOR)?))?;
    }
    set(db, FORGOTTEN_BYTES, number(db, FORGOTTEN_BYTES)? + bytes)
}

/// Forgets that there was a job; what its events say of it stays as long as they do.
pub(super) fn drop_tombstone(db: &Connection, no: JobNo) -> Result<()> {
    db.prepare_cached("UPDATE tombstone SET until=NULL WHERE no=?1")?.execute([no.0])?;
    leave(db, no)
}

/// Removes what only events needed, when none of them is left.
fn leave(db: &Connection, no: JobNo) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM tombstone WHERE no=?1 AND until IS NULL AND NOT EXISTS (SELECT 1 FROM event WHERE event.no=?1)",
    )?
    .execute([no.0])
    .map(|_| ())
}

/// Goes on from where it last came to, see [`raincheck_core::Command::Trim`].
pub(super) fn trim(writer: &mut WriterState<'_>, trim: Trim) -> Result<Reply> {
    let (db, retention) = (writer.db, writer.bounds.feed);
    let now = writer.shared.clock.now();
    let (mut trimmed, mut bytes) = (number(db, TRIMMED)?, number(db, FORGOTTEN_BYTES)?);
    let (mut passed, mut removed, mut jobs) = (0, Vec::new(), BTreeSet::new());
    let mut statement = db.prepare_cached(OLDEST)?;
    let mut rows = statement.query(params![trimmed, trim.limit as i64])?;
    while let Some(row) = rows.next()? {
        let cursor = row.get(0)?;
        if retention.keeps((Cursor(cursor), Timestamp(row.get(2)?)), bytes, now, trim) {
            break;
        }
        (passed, trimmed) = (passed + 1, cursor);
        if !row.get(4)? {
            bytes -= EVENT_BYTES as i64 + row.get::<_, i64>(3)?;
            removed.push(trimmed);
            jobs.insert(row.get(1)?);
        }
    }
    drop(rows);
    if passed == 0 {
        return Ok(Reply::Swept(0, Purged::default()));
    }
    for cursor in &removed {
        db.prepare_cached("DELETE FROM event WHERE cursor=?1")?.execute([cursor])?;
    }
    for no in jobs {
        leave(db, JobNo(no))?;
    }
    if let Some(last) = removed.last() {
        set(db, FLOOR, number(db, FLOOR)?.max(*last))?;
        set(db, FORGOTTEN_BYTES, bytes)?;
    }
    set(db, TRIMMED, trimmed)?;
    Ok(Reply::Swept(passed, Purged::default()))
}
