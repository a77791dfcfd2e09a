use raincheck_core::interpreter::Claim;
use raincheck_core::{ClaimScope, Digest, Job, JobId, JobNo};
use rusqlite::{Connection, OptionalExtension, Result, params};
use uuid::Uuid;

use super::rows;
use super::tables::Tables;

/// The number of a scope, see the migration.
pub(super) fn scope(scope: ClaimScope, queue: i64) -> i64 {
    match scope {
        ClaimScope::Id => 0,
        ClaimScope::Key => 2 * queue + 1,
        ClaimScope::Equal => 2 * queue + 2,
    }
}

pub(super) fn find(db: &Connection, scope: i64, key: &[u8]) -> Result<Option<Claim>> {
    db.prepare_cached("SELECT no, fingerprint FROM claim WHERE scope=?1 AND key=?2")?
        .query_row(params![scope, key], |row| Ok(Claim { no: JobNo(row.get(0)?), fingerprint: row.get(1)? }))
        .optional()
}

pub(super) fn tombstone(db: &Connection, no: JobNo) -> Result<Option<JobId>> {
    db.prepare_cached("SELECT id FROM tombstone WHERE no=?1 AND until IS NOT NULL")?
        .query_row([no.0], |row| Ok(JobId(Uuid::from_bytes(row.get(0)?))))
        .optional()
}

pub(super) fn job(db: &Connection, tables: &Tables, no: JobNo) -> Result<Option<Job>> {
    db.prepare_cached(job_sql())?.query_row([no.0], |row| rows::job(row, tables)).optional()
}

/// `SELECT … FROM job` by number; one text, so that the prepared statement is kept.
pub(super) fn job_sql() -> &'static str {
    static SQL: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("SELECT {} FROM job j WHERE j.no=?1", rows::JOB));
    &SQL
}

pub(super) fn put(db: &Connection, scope: i64, key: &[u8], no: JobNo, fingerprint: &Digest, moves: bool) -> Result<()> {
    // Ids and keys stand for one job for as long as anyone remembers it: a second claim breaks the transaction.
    let sql = if moves {
        "INSERT INTO claim VALUES (?1,?2,?3,?4) ON CONFLICT DO UPDATE SET no=?3, fingerprint=?4"
    } else {
        "INSERT INTO claim VALUES (?1,?2,?3,?4)"
    };
    db.prepare_cached(sql)?.execute(params![scope, key, no.0, fingerprint])?;
    Ok(())
}
