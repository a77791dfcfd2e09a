use std::sync::LazyLock;

use raincheck_core::{Job, JobNo, Purged, Reply};
use rusqlite::{Connection, Result, params};

use super::state::WriterState;
use super::trim;
use crate::columns::joined;
use crate::columns::number::RUNNING;
use crate::sqlite::error::{self, SqliteError};
use crate::sqlite::tables::{claims, rows};

pub(super) static EXPIRED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.expires_at IS NOT NULL AND j.expires_at<=?1 AND j.state>{RUNNING} \
         ORDER BY j.expires_at LIMIT ?2",
        rows::JOB
    )
});

const DELETE: &str = joined!(["DELETE FROM job WHERE no=?1 AND state=?2 AND state>", RUNNING]);

/// How long the answer of a lease request is remembered, milliseconds: a client that lost it asks again at once.
const REMEMBER_REQUESTS: i64 = 10 * 60_000;

/// Before a job is forgotten because somebody asks for that: overwrites what it held, which would else lie in free pages of the
/// file until those are used again. Retention leaves it there: for large payloads that would be half as much writing again.
pub(super) fn erase(db: &Connection, no: JobNo) -> Result<()> {
    overwrite_deleted(db, "ON")?;
    let erased = [
        "UPDATE event SET data=NULL WHERE no=?1 AND data IS NOT NULL",
        "DELETE FROM chunk WHERE no=?1",
        "DELETE FROM report WHERE no=?1",
        "UPDATE result SET content_type=NULL, filename=NULL, bytes=NULL WHERE no=?1",
        "UPDATE spec SET label=NULL, key=NULL, tags=NULL, content_type=NULL, filename=NULL, traceparent=NULL, input=NULL WHERE no=?1",
    ]
    .into_iter()
    .try_for_each(|sql| db.prepare_cached(sql)?.execute([no.0]).map(drop));
    overwrite_deleted(db, "OFF")?;
    erased
}

fn overwrite_deleted(db: &Connection, on: &str) -> Result<()> {
    db.query_row(&format!("PRAGMA secure_delete = {on}"), [], |_| Ok(()))
}

/// Forgets a finished job but for its tombstone, the claims on it and the places of its events; answers the files it owned.
pub(super) fn purge(writer: &mut WriterState<'_>, job: &Job) -> error::Result<Vec<Box<str>>> {
    let (db, no) = (writer.db, job.no.0);
    let blobs: Vec<Box<str>> = db
        .prepare_cached("SELECT blob FROM spec WHERE no=?1 AND blob IS NOT NULL UNION ALL SELECT blob FROM result WHERE no=?1 AND blob IS NOT NULL")?
        .query_map([no], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for blob in &blobs {
        db.prepare_cached("DELETE FROM blob WHERE name=?1")?.execute([blob])?;
    }
    trim::let_go(db, job.no)?;
    for sql in [
        "DELETE FROM chunk WHERE no=?1",
        "DELETE FROM report WHERE no=?1",
        "DELETE FROM result WHERE no=?1",
        "DELETE FROM spec WHERE no=?1",
        "DELETE FROM claim WHERE no=?1 AND scope=2",
    ] {
        db.prepare_cached(sql)?.execute([no])?;
    }
    // The full predicate: whatever led here, a job that is not final stays.
    let gone = db.prepare_cached(DELETE)?.execute(params![no, job.state as i64])?;
    if gone != 1 {
        return Err(SqliteError::refused("a job that is purged is not as it was read"));
    }
    let until = writer.shared.clock.now().plus(writer.bounds.tombstone);
    db.prepare_cached("INSERT INTO tombstone VALUES (?1,?2,?3,?4,?5)")?.execute(params![
        no,
        job.id.0.into_bytes(),
        until.0,
        job.queue.as_str(),
        job.kind.as_str()
    ])?;
    let names = &writer.shared.names;
    let queue = names.queue_number(job.queue.as_str()).unwrap_or_default();
    let kind = names.kind_number(job.kind.as_str()).unwrap_or_default();
    writer.counters.moved(queue, kind, Some(job.state), None);
    writer.found_none = None;
    Ok(blobs)
}

/// Forgets tombstones whose time is over, with the claims of their jobs, and old answers to lease requests.
pub(super) fn drop_tombstones(writer: &mut WriterState<'_>, limit: usize) -> Result<Reply> {
    let now = writer.shared.clock.now().0;
    let db = writer.db;
    db.prepare_cached("DELETE FROM lease_request WHERE at<?1")?.execute([now - REMEMBER_REQUESTS])?;
    let over: Vec<i64> = db
        .prepare_cached("SELECT no FROM tombstone WHERE until<=?1 ORDER BY until LIMIT ?2")?
        .query_map(params![now, limit as i64], |row| row.get(0))?
        .collect::<Result<_>>()?;
    if let Some(last) = over.iter().max() {
        // Numbers are not given twice, even when nothing is left that remembers them.
        db.prepare_cached(
            "INSERT INTO meta VALUES ('last_dropped', ?1) \
             ON CONFLICT (name) DO UPDATE SET value=max(value, excluded.value)",
        )?
        .execute([last])?;
    }
    if !over.is_empty() {
        writer.found_none = None;
    }
    for no in &over {
        trim::drop_tombstone(db, JobNo(*no))?;
        claims::forget(db, JobNo(*no))?;
    }
    Ok(Reply::Swept(over.len(), Purged::default()))
}
