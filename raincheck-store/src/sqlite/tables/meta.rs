//! What there is once: numbers, ids and secrets of the whole database, and how far its feed goes.

use raincheck_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::blobs::StoreId;
use crate::sqlite::error::{self, SqliteError};

/// The last event that was removed: whoever has not come this far has missed something.
pub(crate) const FLOOR: &str = "feed_floor";
/// Up to here nothing is left but events of jobs that are there.
pub(crate) const TRIMMED: &str = "feed_trimmed";
/// What the events of forgotten jobs take.
pub(crate) const FORGOTTEN_BYTES: &str = "feed_forgotten_bytes";

/// The id that the store's payloads are marked with; `None` before it was first opened.
pub(crate) fn id(db: &Connection) -> Result<Option<StoreId>> {
    let id = db.query_row("SELECT value FROM meta WHERE name='id'", [], |row| row.get(0)).optional()?;
    Ok(id.map(StoreId))
}

/// Whether some job has a large payload.
pub(crate) fn has_payloads(db: &Connection) -> Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM blob)", [], |row| row.get(0))
}

pub(crate) fn make_id(db: &Connection) -> Result<StoreId> {
    if let Some(id) = id(db)? {
        return Ok(id);
    }
    let fresh = StoreId::fresh();
    db.execute("INSERT INTO meta VALUES ('id', ?1)", params![fresh.0])?;
    Ok(fresh)
}

/// The last event of the feed, here or removed by retention.
pub(crate) fn head(db: &Connection) -> Result<i64> {
    let last: Option<i64> = db.query_row("SELECT max(cursor) FROM event", [], |row| row.get(0))?;
    Ok(last.max(floor(db)?).unwrap_or(0))
}

/// What names of workers that live and die with the server of this data end in: nobody else calls himself so.
pub(crate) fn own_workers(db: &Connection) -> error::Result<Box<str>> {
    let kept = db.query_row("SELECT value FROM meta WHERE name='own_workers'", [], |row| row.get(0)).optional()?;
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(SqliteError::unsuitable)?;
    let fresh = format!("@{:08x}", u32::from_le_bytes(random));
    db.execute("INSERT INTO meta VALUES ('own_workers', ?1)", params![fresh])?;
    Ok(fresh.into())
}

/// The latest time that the data tells of.
pub(crate) fn seen(db: &Connection) -> Result<Timestamp> {
    let last = "SELECT at FROM event ORDER BY cursor DESC LIMIT 1";
    let last_event: Option<i64> = db.query_row(last, [], |row| row.get(0)).optional()?;
    let newest: Option<i64> = db.query_row("SELECT max(no) FROM job", [], |row| row.get(0))?;
    Ok(Timestamp(last_event.max(newest.map(|no| no >> 15)).unwrap_or(0)))
}

/// The highest cursor that retention has removed.
pub(crate) fn floor(db: &Connection) -> Result<Option<i64>> {
    db.query_row("SELECT value FROM meta WHERE name='feed_floor'", [], |row| row.get(0)).optional()
}

pub(crate) fn secret(db: &Connection) -> error::Result<[u8; 32]> {
    let kept = db.query_row("SELECT value FROM meta WHERE name='secret'", [], |row| row.get(0)).optional()?;
    if let Some(secret) = kept {
        return Ok(secret);
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(SqliteError::unsuitable)?;
    db.execute("INSERT INTO meta VALUES ('secret', ?1)", params![secret])?;
    Ok(secret)
}

pub(crate) fn number(db: &Connection, name: &str) -> Result<i64> {
    let kept =
        db.prepare_cached("SELECT value FROM meta WHERE name=?1")?.query_row([name], |row| row.get(0)).optional()?;
    Ok(kept.unwrap_or(0))
}

pub(crate) fn set(db: &Connection, name: &str, value: i64) -> Result<()> {
    db.prepare_cached("INSERT INTO meta VALUES (?1,?2) ON CONFLICT (name) DO UPDATE SET value=excluded.value")?
        .execute(params![name, value])
        .map(|_| ())
}
