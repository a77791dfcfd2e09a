use raincheck_core::interpreter::{BatchClaim, Claim};
use raincheck_core::{ClaimScope, Digest, Job, JobId, JobNo};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use uuid::Uuid;

use super::names::KnownNames;
use super::rows;
use crate::codec::{packed_jobs, unpacked_jobs};
use crate::sqlite::error;

/// Where a name is unique that a job in `queue` goes by.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    scope: ClaimScope,
    queue: i64,
}

impl Place {
    pub fn of(scope: ClaimScope, queue: i64) -> Self {
        Place { scope, queue: if scope.is_of_queue() { queue } else { 0 } }
    }
}

pub(crate) fn find(db: &Connection, Place { scope, queue }: Place, key: &[u8]) -> Result<Option<Claim>> {
    db.prepare_cached("SELECT no, fingerprint FROM claim WHERE scope=?1 AND queue=?2 AND key=?3")?
        .query_row(params![scope as i64, queue, key], |row| {
            Ok(Claim { no: JobNo(row.get(0)?), fingerprint: row.get(1)? })
        })
        .optional()
}

pub(crate) fn tombstone(db: &Connection, no: JobNo) -> Result<Option<JobId>> {
    db.prepare_cached("SELECT id FROM tombstone WHERE no=?1 AND until IS NOT NULL")?
        .query_row([no.0], |row| Ok(JobId(Uuid::from_bytes(row.get(0)?))))
        .optional()
}

pub(crate) fn job(db: &Connection, names: &KnownNames, no: JobNo) -> error::Result<Option<Job>> {
    db.prepare_cached(job_sql())?.query_row([no.0], |row| Ok(rows::job(row, names))).optional()?.transpose()
}

/// `SELECT … FROM job` by number; one text, so that the prepared statement is kept.
pub(crate) fn job_sql() -> &'static str {
    static SQL: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("SELECT {} FROM job j WHERE j.no=?1", rows::JOB));
    &SQL
}

pub(crate) fn put(db: &Connection, place: Place, key: &[u8], no: JobNo, fingerprint: &Digest) -> Result<()> {
    // Ids and keys stand for one job for as long as anyone remembers it: a second claim breaks the transaction.
    let sql = if place.scope == ClaimScope::Equal {
        "INSERT INTO claim VALUES (?1,?2,?3,?4,?5,NULL) ON CONFLICT DO UPDATE SET no=?4, fingerprint=?5"
    } else {
        "INSERT INTO claim VALUES (?1,?2,?3,?4,?5,NULL)"
    };
    db.prepare_cached(sql)?.execute(params![place.scope as i64, place.queue, key, no.0, fingerprint])?;
    Ok(())
}

/// Lets the request id of a batch stand for its jobs, as long as `no`, one of them, is remembered.
pub(crate) fn put_batch(db: &Connection, id: &[u8], no: JobNo, claim: &BatchClaim) -> Result<()> {
    // Once, as ids and keys.
    db.prepare_cached("INSERT INTO claim VALUES (?1,0,?2,?3,?4,?5)")?
        .execute(params![ClaimScope::Batch as i64, id, no.0, claim.fingerprint, packed_jobs(&claim.jobs)])
        .map(drop)
}

/// The columns `fingerprint, jobs` of a claim, from the one at `at` on.
fn batch(row: &Row<'_>, at: usize) -> Result<BatchClaim> {
    let jobs = unpacked_jobs(row.get_ref(at + 1)?.as_blob()?).ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(BatchClaim { jobs, fingerprint: row.get(at)? })
}

/// What the request id of a batch stands for.
pub(crate) fn find_batch(db: &Connection, id: &str) -> Result<Option<BatchClaim>> {
    db.prepare_cached("SELECT fingerprint, jobs FROM claim WHERE scope=?1 AND queue=0 AND key=?2")?
        .query_row(params![ClaimScope::Batch as i64, id.as_bytes()], |row| batch(row, 0))
        .optional()
}

/// Forgets the claims on a job that nothing remembers any more. The request id of a batch goes with the last of its jobs.
pub(crate) fn forget(db: &Connection, no: JobNo) -> Result<()> {
    let mut gone = db.prepare_cached("DELETE FROM claim WHERE no=?1 RETURNING key, fingerprint, jobs")?;
    let batches: Vec<Option<(Vec<u8>, BatchClaim)>> = gone
        .query_map([no.0], |row| match row.get_ref(2)?.as_blob_or_null()? {
            Some(_) => Ok(Some((row.get(0)?, batch(row, 1)?))),
            None => Ok(None),
        })?
        .collect::<Result<_>>()?;
    for (id, claim) in batches.into_iter().flatten() {
        if let Some(keeper) = remembered(db, &claim.jobs)? {
            put_batch(db, &id, keeper, &claim)?;
        }
    }
    Ok(())
}

/// The last of the jobs that is here, or was purged and is remembered.
fn remembered(db: &Connection, jobs: &[JobNo]) -> Result<Option<JobNo>> {
    let mut here = db.prepare_cached("SELECT 1 FROM job WHERE no=?1")?;
    for no in jobs.iter().rev() {
        if here.exists([no.0])? || tombstone(db, *no)?.is_some() {
            return Ok(Some(*no));
        }
    }
    Ok(None)
}
