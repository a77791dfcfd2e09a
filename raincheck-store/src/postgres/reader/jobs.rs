//! Jobs by their id or number, and what goes with one.

use std::collections::HashMap;
use std::sync::LazyLock;

use raincheck_core::{Content, EventType, Job, JobId, JobNo, LeaseRef};

use super::query::{self, row, row_within};
use crate::postgres::connection::pool::Object;
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;
use crate::postgres::tables::rows;
use crate::records::{Found, Record, ResultInfo};

static RECORD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, {}, {}, {} FROM job j JOIN spec s ON s.no=j.no AND s.no >= {{low}} AND s.no < {{high}} \
         LEFT JOIN report p ON p.no=j.no AND p.no >= {{low}} AND p.no < {{high}} \
         LEFT JOIN result r ON r.no=j.no AND r.no >= {{low}} AND r.no < {{high}} WHERE j.no=$1",
        rows::JOB,
        rows::SPEC,
        rows::REPORT,
        rows::RESULT
    )
});
/// Results of some jobs: written so that no other way through the tables comes to mind.
static RESULTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT u.no, {} FROM unnest($1::bigint[]) AS u (no) CROSS JOIN LATERAL (SELECT * FROM result WHERE no = u.no \
         AND no >= {{low}} AND no < {{high}} AND EXISTS (SELECT FROM job WHERE no = u.no) LIMIT 1) r",
        rows::RESULT
    )
});
static JOB: LazyLock<String> = LazyLock::new(|| format!("SELECT {} FROM job j WHERE j.no=$1", rows::JOB));
const INPUT: &str = "SELECT content_type, filename, blob, size, input, (SELECT b.digest FROM blob b WHERE b.name=spec.blob) FROM spec \
    WHERE no=$1 AND no >= {low} AND no < {high} AND EXISTS (SELECT FROM job WHERE no=$1)";
const RESULT: &str = "SELECT content_type, filename, blob, size, bytes, digest FROM result \
    WHERE no=$1 AND no >= {low} AND no < {high} AND EXISTS (SELECT FROM job WHERE no=$1)";
const TOMBSTONE: &str = "SELECT id FROM tombstone WHERE no=$1 AND until IS NOT NULL";
const CHOSEN: &str = "SELECT no FROM claim WHERE scope=0 AND queue=0 AND key=$1";

/// Whether a run began in a history: its number, its attempt, the history and the type of event.
const BEGAN: &str = "SELECT (SELECT max(h.first) FROM history h WHERE h.first <= f.first) = $3 \
    FROM event e JOIN feed f ON f.batch = e.batch \
    WHERE e.no = $1 AND e.attempt = $2 AND e.type = $4 AND e.no >= {low} AND e.no < {high} LIMIT 1";

/// What a look-up by the public id of a job reads of it.
pub(crate) trait Lookup: Sized {
    async fn of(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Self>, PgError>;
    fn id(&self) -> JobId;
}

impl Lookup for Box<Record> {
    async fn of(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Self>, PgError> {
        let Some(row) = row_within(db, shared, &RECORD, no, &[&no.0]).await? else { return Ok(None) };
        shared.load_missing(&***db, std::slice::from_ref(&row), rows::JOB_NAMES).await?;
        Ok(Some(Box::new(rows::record(&row, &shared.names)?)))
    }

    fn id(&self) -> JobId {
        self.job.id
    }
}

impl Lookup for Job {
    async fn of(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Self>, PgError> {
        let Some(row) = row(db, &JOB, &[&no.0]).await? else { return Ok(None) };
        shared.load_missing(&***db, std::slice::from_ref(&row), rows::JOB_NAMES).await?;
        rows::job(&row, &shared.names).map(Some)
    }

    fn id(&self) -> JobId {
        self.id
    }
}

/// All that is kept of the job of a number.
pub(crate) async fn record(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Box<Record>>, PgError> {
    Box::of(db, shared, no).await
}

/// The job of a public id.
pub(crate) async fn find<T: Lookup>(db: &Object, shared: &Shared, id: JobId) -> Result<Found<T>, PgError> {
    // An id of our own making says where its job is; only what is not there may be a chosen id.
    if let Some((no, _)) = id.parts() {
        match T::of(db, shared, no).await? {
            Some(found) if found.id() == id => return Ok(Found::Here(found)),
            Some(_) => {}
            None => {
                let purged = row(db, TOMBSTONE, &[&no.0]).await?;
                if purged.map(|row| row.try_get(0)).transpose()? == Some(id.0) {
                    return Ok(Found::Purged(no));
                }
            }
        }
    }
    let Some(claim) = row(db, CHOSEN, &[&&id.0.as_bytes()[..]]).await? else { return Ok(Found::Unknown) };
    let no = JobNo(claim.try_get(0)?);
    Ok(T::of(db, shared, no).await?.map_or(Found::Purged(no), Found::Here))
}

/// The input of a job.
pub(crate) async fn input(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Content>, PgError> {
    content(db, shared, INPUT, no).await
}

/// Its result, with the bytes.
pub(crate) async fn result(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Content>, PgError> {
    content(db, shared, RESULT, no).await
}

/// What is shown of the results of these jobs; of those that have none, or are not there, nothing.
pub(crate) async fn results(
    db: &Object,
    shared: &Shared,
    nos: &[i64],
) -> Result<HashMap<i64, Option<ResultInfo>>, PgError> {
    let sql = shared.partitions.around_all(nos.iter().copied()).put_into(&RESULTS);
    let found = query::rows(db, &sql, &[&nos]).await?;
    found.iter().map(|row| Ok((row.try_get(0)?, rows::result(row, 1)?))).collect()
}

/// Whether a job was there and is remembered.
pub(crate) async fn is_purged(db: &Object, no: JobNo) -> Result<bool, PgError> {
    Ok(row(db, TOMBSTONE, &[&no.0]).await?.is_some())
}

/// Whether a run began in a history.
pub(crate) async fn began_in(db: &Object, shared: &Shared, lease: LeaseRef, history: i64) -> Result<bool, PgError> {
    let (attempt, started) = (rows::count(lease.attempt), EventType::Started as i16);
    let began = row_within(db, shared, BEGAN, lease.no, &[&lease.no.0, &attempt, &history, &started]).await?;
    Ok(began.map(|row| row.try_get::<_, Option<bool>>(0)).transpose()?.flatten().unwrap_or(false))
}

/// A payload row: input or result.
async fn content(db: &Object, shared: &Shared, sql: &str, no: JobNo) -> Result<Option<Content>, PgError> {
    row_within(db, shared, sql, no, &[&no.0]).await?.as_ref().map(rows::content).transpose()
}
