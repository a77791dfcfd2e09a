//! Rows to values and back; the only place that knows the order of columns.

use bytes::Bytes;
use raincheck_core::interpreter::Recorded;
use raincheck_core::{
    Content, Cursor, Digest, Event, EventData, EventType, Job, JobId, JobNo, Method, Name, OnLost, Payload, Retention,
    RetryPolicy, Spec, State, Timestamp,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Result, Row, Statement, params};
use uuid::Uuid;

use super::tables::Tables;
use crate::codec;
use crate::records::{Record, ResultInfo};
use crate::rules::known;

/// Columns of a job, for `SELECT`; [`job`] reads them from the front.
pub(super) const JOB: &str = "j.no, j.salt, j.given, j.queue, j.kind, j.state, j.flags, j.priority, j.attempt, \
    j.failures, j.losses, j.max_attempts, j.seq, j.shared, j.rank, j.ticket, j.run_at, j.start_by, j.timeout, j.ttl, \
    j.keep_succeeded, j.keep_failed, j.created_at, j.started_at, j.updated_at, j.finished_at, j.expires_at";
const JOB_COLUMNS: usize = 27;
/// Columns of a spec without its input's bytes; [`spec`] reads them.
pub(super) const SPEC: &str = "s.label, s.key, s.tags, s.content_type, s.filename, s.size, s.blob, s.retry_initial, \
    s.retry_factor, s.retry_max, s.retry_jitter, s.rerun_of, s.traceparent";
const SPEC_COLUMNS: usize = 13;
/// Columns of reports and results that a record shows, after job and spec.
pub(super) const REST: &str = "p.progress, p.failure, r.content_type, r.filename, r.digest, r.size, \
    CASE WHEN r.content_type IS NULL AND r.size <= 65536 THEN r.bytes END";

/// The public id as text, put together as `JobId` does.
pub(super) const ID_TEXT: &str = "CASE WHEN j.given IS NULL THEN printf('%08x-%04x-7%03x-%04x-%012x', j.no >> 31, \
    (j.no >> 15) & 65535, (j.no >> 3) & 4095, 32768 | ((j.no & 7) << 11) | (j.salt >> 48), j.salt & 281474976710655) \
    ELSE printf('%s-%s-%s-%s-%s', substr(hex(j.given), 1, 8), substr(hex(j.given), 9, 4), substr(hex(j.given), 13, 4), \
    substr(hex(j.given), 17, 4), substr(hex(j.given), 21)) END";

pub(super) const GET: i64 = 1;
const CANCEL_REQUESTED: i64 = 2;
const FAIL_ON_LOST: i64 = 4;

pub(super) fn broken(column: usize, what: &'static str) -> Error {
    Error::FromSqlConversionFailure(column, Type::Integer, what.into())
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// A public id from the columns that hold it.
pub(super) fn id(no: i64, salt: i64, given: Option<[u8; 16]>) -> JobId {
    given.map_or_else(|| JobId::from_parts(JobNo(no), salt), |bytes| JobId(Uuid::from_bytes(bytes)))
}

pub(super) fn job(row: &Row<'_>, tables: &Tables) -> Result<Job> {
    let (no, flags): (i64, i64) = (row.get(0)?, row.get(6)?);
    Ok(Job {
        no: JobNo(no),
        id: id(no, row.get(1)?, row.get(2)?),
        queue: tables.queue_name(row.get(3)?).ok_or_else(|| broken(3, "unknown queue"))?,
        kind: tables.kind_name(row.get(4)?).ok_or_else(|| broken(4, "unknown kind"))?,
        method: if flags & GET == 0 { Method::Post } else { Method::Get },
        state: State::from_number(row.get(5)?).ok_or_else(|| broken(5, "unknown state"))?,
        cancel_requested: flags & CANCEL_REQUESTED != 0,
        on_lost: if flags & FAIL_ON_LOST == 0 { OnLost::Retry } else { OnLost::Fail },
        priority: row.get(7)?,
        attempt: row.get(8)?,
        failures: row.get(9)?,
        losses: row.get(10)?,
        max_attempts: row.get(11)?,
        seq: row.get(12)?,
        shared: row.get(13)?,
        rank: row.get(14)?,
        ticket: row.get(15)?,
        run_at: Timestamp(row.get(16)?),
        start_by: time(row, 17)?,
        timeout: row.get(18)?,
        ttl: row.get(19)?,
        retention: Retention { succeeded: row.get(20)?, failed: row.get(21)? },
        created_at: Timestamp(row.get(22)?),
        started_at: time(row, 23)?,
        updated_at: Timestamp(row.get(24)?),
        finished_at: time(row, 25)?,
        expires_at: time(row, 26)?,
    })
}

pub(super) fn flags(job: &Job) -> i64 {
    let flag = |on: bool, bit: i64| if on { bit } else { 0 };
    flag(job.method == Method::Get, GET)
        | flag(job.cancel_requested, CANCEL_REQUESTED)
        | flag(job.on_lost == OnLost::Fail, FAIL_ON_LOST)
}

/// Reads [`SPEC`] from column `at` on; `max_attempts` stands with the job.
pub(super) fn spec(row: &Row<'_>, at: usize, max_attempts: u32, input: Option<Vec<u8>>) -> Result<(Spec, u64)> {
    let size: i64 = row.get(at + 5)?;
    let tags = row.get_ref(at + 2)?.as_str_or_null()?.map(codec::tags).transpose()?.unwrap_or_default();
    let spec = Spec {
        label: row.get(at)?,
        key: row.get(at + 1)?,
        tags,
        input: Content {
            payload: payload(row.get(at + 6)?, size, input),
            content_type: row.get(at + 3)?,
            filename: row.get(at + 4)?,
            digest: Digest::default(),
        },
        retry: RetryPolicy {
            max_attempts,
            initial: row.get(at + 7)?,
            factor: row.get(at + 8)?,
            max: row.get(at + 9)?,
            jitter: row.get(at + 10)?,
        },
        rerun_of: row.get::<_, Option<[u8; 16]>>(at + 11)?.map(|b| JobId(Uuid::from_bytes(b))),
        traceparent: row.get(at + 12)?,
    };
    Ok((spec, size as u64))
}

pub(super) fn payload(blob: Option<Box<str>>, size: i64, bytes: Option<Vec<u8>>) -> Payload {
    match (blob, bytes) {
        (Some(name), _) => Payload::Blob { name, size: size as u64 },
        (None, Some(bytes)) => Payload::Inline(Bytes::from(bytes)),
        (None, None) => Payload::Empty,
    }
}

/// Reads [`JOB`], [`SPEC`] and [`REST`].
pub(super) fn record(row: &Row<'_>, tables: &Tables) -> Result<Record> {
    let job = job(row, tables)?;
    let (spec, input_size) = spec(row, JOB_COLUMNS, job.max_attempts, None)?;
    let at = JOB_COLUMNS + SPEC_COLUMNS;
    let digest: Option<Digest> = row.get(at + 4)?;
    let result = digest
        .map(|digest| {
            Ok::<_, Error>(ResultInfo {
                content_type: row.get(at + 2)?,
                filename: row.get(at + 3)?,
                size: row.get::<_, i64>(at + 5)? as u64,
                digest,
                value: row.get::<_, Option<Vec<u8>>>(at + 6)?.map(Bytes::from),
            })
        })
        .transpose()?;
    Ok(Record {
        progress: row.get_ref(at)?.as_str_or_null()?.map(codec::progress).transpose()?,
        failure: row.get_ref(at + 1)?.as_str_or_null()?.map(codec::failure).transpose()?,
        job,
        spec,
        input_size,
        result,
    })
}

/// Columns of an event and of the job it belongs to.
pub(super) const EVENT: &str =
    "e.cursor, e.no, e.seq, e.type, e.state, e.attempt, e.at, e.data, j.salt, j.given, j.queue, j.kind";

/// Reads [`EVENT`]; what there is no job of any more is joined with its tombstone.
pub(super) fn event(db: &Connection, row: &Row<'_>, tables: &Tables) -> Result<Event> {
    let no = row.get(1)?;
    let event_type = EventType::from_number(row.get(3)?).ok_or_else(|| broken(3, "unknown event"))?;
    let (job, queue, kind, data) = match row.get(8)? {
        Some(salt) => (
            id(no, salt, row.get(9)?),
            tables.queue_name(row.get(10)?).ok_or_else(|| broken(10, "unknown queue"))?,
            tables.kind_name(row.get(11)?).ok_or_else(|| broken(11, "unknown kind"))?,
            codec::event_data(event_type, row.get_ref(7)?.as_str_or_null()?)?,
        ),
        None => {
            let (job, queue, kind) = tombstone(db, no)?;
            (job, queue, kind, EventData::Gone(event_type))
        }
    };
    Ok(Event {
        cursor: Cursor(row.get(0)?),
        seq: row.get(2)?,
        no: JobNo(no),
        job,
        queue,
        kind,
        state: State::from_number(row.get(4)?).ok_or_else(|| broken(4, "unknown state"))?,
        attempt: row.get(5)?,
        at: Timestamp(row.get(6)?),
        data,
    })
}

/// What events say of a job that is forgotten.
fn tombstone(db: &Connection, no: i64) -> Result<(JobId, Name, Name)> {
    let name = |row: &Row<'_>, column| {
        Name::new(row.get_ref(column)?.as_str()?)
            .map_err(|e| Error::FromSqlConversionFailure(column, Type::Text, e.into()))
    };
    db.prepare_cached("SELECT id, queue, kind FROM tombstone WHERE no=?1")?
        .query_row([no], |row| Ok((JobId(Uuid::from_bytes(row.get(0)?)), name(row, 1)?, name(row, 2)?)))
}

pub(super) const INSERT_JOB: &str = "INSERT INTO job VALUES \
    (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)";
pub(super) const UPDATE_JOB: &str = "UPDATE job SET state=?4, flags=?5, attempt=?6, failures=?7, losses=?8, seq=?9, \
    shared=?10, rank=?11, run_at=?12, ttl=?13, started_at=?14, updated_at=?15, finished_at=?16, expires_at=?17 \
    WHERE no=?1 AND state=?2 AND attempt=?3 AND seq=?18";
pub(super) const INSERT_SPEC: &str = "INSERT INTO spec VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)";
pub(super) const INSERT_RESULT: &str = "INSERT INTO result VALUES (?1,?2,?3,?4,?5,?6,?7)";

/// `insert` is [`INSERT_JOB`].
pub(super) fn insert_job(insert: &mut Statement<'_>, job: &Job, queue: i64, kind: i64) -> Result<()> {
    let minted = job.id.parts().filter(|(no, _)| *no == job.no);
    let given = if minted.is_some() { None } else { Some(job.id.0.into_bytes()) };
    insert.execute(params![
        job.no.0,
        minted.map_or(0, |(_, salt)| salt),
        given,
        queue,
        kind,
        job.state as i64,
        flags(job),
        job.priority,
        job.attempt,
        job.failures,
        job.losses,
        job.max_attempts,
        job.seq,
        job.shared,
        job.rank,
        job.ticket,
        job.run_at.0,
        job.start_by.map(|t| t.0),
        job.timeout,
        job.ttl,
        job.retention.succeeded,
        job.retention.failed,
        job.created_at.0,
        job.started_at.map(|t| t.0),
        job.updated_at.0,
        job.finished_at.map(|t| t.0),
        job.expires_at.map(|t| t.0),
    ])?;
    Ok(())
}

/// Writes what may change, guarded by the state, attempt and number of the last event it must find; answers whether it
/// found them. `update` is [`UPDATE_JOB`].
pub(super) fn update_job(
    update: &mut Statement<'_>,
    job: &Job,
    (state, attempt, seq): (State, u32, u32),
) -> Result<bool> {
    let changed = update.execute(params![
        job.no.0,
        state as i64,
        attempt,
        job.state as i64,
        flags(job),
        job.attempt,
        job.failures,
        job.losses,
        job.seq,
        job.shared,
        job.rank,
        job.run_at.0,
        job.ttl,
        job.started_at.map(|t| t.0),
        job.updated_at.0,
        job.finished_at.map(|t| t.0),
        job.expires_at.map(|t| t.0),
        seq,
    ])?;
    Ok(changed == 1)
}

/// `insert` is [`INSERT_SPEC`].
pub(super) fn insert_spec(db: &Connection, insert: &mut Statement<'_>, no: JobNo, spec: &Spec) -> Result<()> {
    let (bytes, blob) = columns(&spec.input.payload);
    insert.execute(params![
        no.0,
        spec.label,
        spec.key,
        codec::tags_text(&spec.tags)?,
        spec.input.content_type,
        spec.input.filename,
        spec.input.payload.size() as i64,
        blob,
        spec.retry.initial,
        spec.retry.factor,
        spec.retry.max,
        spec.retry.jitter,
        spec.rerun_of.map(|id| id.0.into_bytes()),
        spec.traceparent,
        bytes,
    ])?;
    keep_blob(db, no, blob, &spec.input.digest)
}

/// The result of a job, as far as another one is compared with it.
pub(super) fn recorded(db: &Connection, no: JobNo) -> Result<Option<Recorded>> {
    db.prepare_cached("SELECT digest, content_type, filename FROM result WHERE no=?1")?
        .query_row([no.0], |row| Ok(Recorded { digest: row.get(0)?, content_type: row.get(1)?, filename: row.get(2)? }))
        .optional()
}

/// `insert` is [`INSERT_RESULT`].
pub(super) fn insert_result(db: &Connection, insert: &mut Statement<'_>, no: JobNo, result: &Content) -> Result<()> {
    let (bytes, blob) = columns(&result.payload);
    insert.execute(params![
        no.0,
        result.content_type,
        result.filename,
        result.digest,
        result.payload.size() as i64,
        blob,
        bytes,
    ])?;
    keep_blob(db, no, blob, &result.digest)
}

fn columns(payload: &Payload) -> (Option<&[u8]>, Option<&str>) {
    match payload {
        Payload::Empty => (None, None),
        Payload::Inline(bytes) => (Some(bytes), None),
        Payload::Blob { name, .. } => (None, Some(name)),
    }
}

fn keep_blob(db: &Connection, no: JobNo, blob: Option<&str>, digest: &Digest) -> Result<()> {
    if let Some(name) = blob {
        db.prepare_cached("INSERT INTO blob VALUES (?1, ?2, ?3)")?.execute(params![name, no.0, known(digest)])?;
    }
    Ok(())
}
