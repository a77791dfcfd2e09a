use raincheck_core::interpreter::Claim;
use raincheck_core::{ClaimScope, Digest, Job, JobId, JobNo};
use rusqlite::{Connection, OptionalExtension, Result, params};
use uuid::Uuid;

use super::rows;
use super::tables::Tables;

/// Where a name is unique that a job in `queue` goes by.
#[derive(Clone, Copy)]
pub(super) struct Place {
    scope: ClaimScope,
    queue: i64,
}

impl Place {
    pub fn of(scope: ClaimScope, queue: i64) -> Self {
        Place { scope, queue: if scope.is_of_queue() { queue } else { 0 } }
    }
}

pub(super) fn find(db: &Connection, Place { scope, queue }: Place, key: &[u8]) -> Result<Option<Claim>> {
    db.prepare_cached("SELECT no, fingerprint FROM claim WHERE scope=?1 AND queue=?2 AND key=?3")?
        .query_row(params![scope as i64, queue, key], |row| {
            Ok(Claim { no: JobNo(row.get(0)?), fingerprint: row.get(1)? })
        })
        .optional()
}

pub(super) fn tombstone(db: &Connection, no: JobNo) -> Result<Option<JobId>> {
    db.prepare_cached("SELECT id FROM tombstone WHERE no=?1 AND until IS NOT NULL")?
        .query_row([no.0], |row| Ok(JobId(Uuid::from_bytes(row.get(0)?))))
        .optional()
}

pub(super) fn job(db: &Connection, tables: &Tables, no: JobNo) -> super::trouble::Result<Option<Job>> {
    db.prepare_cached(job_sql())?.query_row([no.0], |row| Ok(rows::job(row, tables))).optional()?.transpose()
}

/// `SELECT … FROM job` by number; one text, so that the prepared statement is kept.
pub(super) fn job_sql() -> &'static str {
    static SQL: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("SELECT {} FROM job j WHERE j.no=?1", rows::JOB));
    &SQL
}

pub(super) fn put(db: &Connection, place: Place, key: &[u8], no: JobNo, fingerprint: &Digest) -> Result<()> {
    // Ids and keys stand for one job for as long as anyone remembers it: a second claim breaks the transaction.
    let sql = if place.scope == ClaimScope::Equal {
        "INSERT INTO claim VALUES (?1,?2,?3,?4,?5) ON CONFLICT DO UPDATE SET no=?4, fingerprint=?5"
    } else {
        "INSERT INTO claim VALUES (?1,?2,?3,?4,?5)"
    };
    db.prepare_cached(sql)?.execute(params![place.scope as i64, place.queue, key, no.0, fingerprint])?;
    Ok(())
}
