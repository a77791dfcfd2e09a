//! Rows to values and back; the only place that knows the order of columns.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use raincheck_core::{
    Content, Cursor, Digest, Event, EventData, EventType, Job, JobId, JobNo, Method, Name, OnLost, Payload, Retention,
    RetryPolicy, Spec, State, Timestamp,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::shared::{Shared, Trouble};
use super::trim::TRIMMED;
use crate::codec;
use crate::records::{Record, ResultInfo};

type Result<T> = std::result::Result<T, Trouble>;

/// Columns of a job, for `SELECT`; [`job`] reads them from the front.
pub(super) const JOB: &str = "j.no, j.id, j.queue, j.kind, j.state, j.flags, j.priority, j.attempt, j.failures, \
    j.losses, j.max_attempts, j.seq, j.shared, j.rank, j.ticket, j.run_at, j.start_by, j.timeout, j.ttl, \
    j.keep_succeeded, j.keep_failed, j.created_at, j.started_at, j.updated_at, j.finished_at, j.expires_at";
pub(super) const JOB_COLUMNS: usize = 26;
/// Columns of [`JOB`] that hold numbers of a queue and of a kind, for [`Shared::learn`].
pub(super) const JOB_NAMES: (usize, usize) = (2, 3);
/// Columns of a spec without its input's bytes; [`spec`] reads them.
pub(super) const SPEC: &str = "s.label, s.key, s.tags, s.content_type, s.filename, s.size, s.blob, s.retry_initial, \
    s.retry_factor, s.retry_max, s.retry_jitter, s.rerun_of, s.traceparent";
pub(super) const SPEC_COLUMNS: usize = 13;
/// Columns of a report that a record shows, after job and spec; then come those of its [`RESULT`].
pub(super) const REPORT: &str = "p.progress, p.failure";
/// Columns of a result as a job shows it; [`result`] reads them.
pub(super) const RESULT: &str = "r.content_type, r.filename, r.digest, r.size, \
    CASE WHEN r.content_type IS NULL AND r.size <= 65536 THEN r.bytes END";
/// Columns of an event, of its feed row and of the job it belongs to, or of what is left of that, see [`OF_EVENT`].
pub(super) const EVENT: &str = "f.first + e.idx, e.no, e.seq, e.type, e.state, e.attempt, e.at, \
    CASE WHEN j.no IS NOT NULL THEN e.data END AS data, coalesce(j.id, t.id), j.queue, j.kind, t.queue, t.kind";
/// What an event is joined with.
pub(super) const OF_EVENT: &str = "LEFT JOIN job j ON j.no=e.no LEFT JOIN tombstone t ON t.no=e.no AND j.no IS NULL";
/// Which are shown: where the job is forgotten, those that the feed is not trimmed past.
pub(super) static SHOWN: LazyLock<String> =
    LazyLock::new(|| format!("(j.no IS NOT NULL OR t.no IS NOT NULL AND f.first + e.idx > {TRIMMED})"));
/// Columns of [`EVENT`] that hold numbers of a queue and of a kind, for [`Shared::learn`].
pub(super) const EVENT_NAMES: (usize, usize) = (9, 10);

pub(super) const GET: i16 = 1;
const CANCEL_REQUESTED: i16 = 2;
const FAIL_ON_LOST: i16 = 4;

fn unreadable(what: &str) -> Trouble {
    Trouble::Unreadable(what.to_owned())
}

/// A text that somebody outside chose, as a column of PostgreSQL can hold it: without zero characters.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        text.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0").into()
    } else {
        text.into()
    }
}

/// [`escaped`], of what may be absent.
pub(super) fn escaped_if(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(escaped)
}

/// What [`escaped`] was given.
pub(super) fn plain(text: &str) -> Box<str> {
    if text.contains('\u{1}') { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}").into() } else { text.into() }
}

fn text(row: &Row, column: usize) -> Result<Option<Box<str>>> {
    Ok(row.try_get::<_, Option<&str>>(column)?.map(plain))
}

/// A count: `integer` keeps the bits of a `u32`.
pub(super) fn count(n: u32) -> i32 {
    n.cast_signed()
}

fn number(row: &Row, column: usize) -> Result<u32> {
    Ok(row.try_get::<_, i32>(column)?.cast_unsigned())
}

fn time(row: &Row, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.try_get::<_, Option<i64>>(column)?.map(Timestamp))
}

pub(super) fn digest(row: &Row, column: usize) -> Result<Option<Digest>> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    bytes.map(|bytes| bytes.try_into().map_err(|_| unreadable("a digest has another length"))).transpose()
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    Ok(row.try_get(column)?)
}

/// Reads [`JOB`]; the names behind its numbers must be known, see [`Shared::learn`].
pub(super) fn job(row: &Row, shared: &Shared) -> Result<Job> {
    let flags: i16 = get(row, 5)?;
    Ok(Job {
        no: JobNo(get(row, 0)?),
        id: JobId(get(row, 1)?),
        queue: shared.queues.name(get(row, 2)?).ok_or_else(|| unreadable("unknown queue"))?,
        kind: shared.kinds.name(get(row, 3)?).ok_or_else(|| unreadable("unknown kind"))?,
        method: if flags & GET == 0 { Method::Post } else { Method::Get },
        state: state(row, 4)?,
        cancel_requested: flags & CANCEL_REQUESTED != 0,
        on_lost: if flags & FAIL_ON_LOST == 0 { OnLost::Retry } else { OnLost::Fail },
        priority: get(row, 6)?,
        attempt: number(row, 7)?,
        failures: number(row, 8)?,
        losses: number(row, 9)?,
        max_attempts: number(row, 10)?,
        seq: number(row, 11)?,
        shared: number(row, 12)?,
        rank: get(row, 13)?,
        ticket: get(row, 14)?,
        run_at: Timestamp(get(row, 15)?),
        start_by: time(row, 16)?,
        timeout: get(row, 17)?,
        ttl: get(row, 18)?,
        retention: Retention { succeeded: get(row, 19)?, failed: get(row, 20)? },
        created_at: Timestamp(get(row, 21)?),
        started_at: time(row, 22)?,
        updated_at: Timestamp(get(row, 23)?),
        finished_at: time(row, 24)?,
        expires_at: time(row, 25)?,
    })
}

pub(super) fn state(row: &Row, column: usize) -> Result<State> {
    State::from_number(get::<i16>(row, column)?.into()).ok_or_else(|| unreadable("unknown state"))
}

pub(super) fn flags(job: &Job) -> i16 {
    let flag = |on: bool, bit: i16| if on { bit } else { 0 };
    flag(job.method == Method::Get, GET)
        | flag(job.cancel_requested, CANCEL_REQUESTED)
        | flag(job.on_lost == OnLost::Fail, FAIL_ON_LOST)
}

/// Reads [`SPEC`] from column `at` on; `max_attempts` stands with the job.
pub(super) fn spec(row: &Row, at: usize, max_attempts: u32, input: Option<Bytes>) -> Result<(Spec, u64)> {
    let size: i64 = get(row, at + 5)?;
    let tags = get::<Option<&str>>(row, at + 2)?.map(codec::tags).transpose()?.unwrap_or_default();
    let spec = Spec {
        label: text(row, at)?,
        key: text(row, at + 1)?,
        tags,
        input: Content {
            payload: payload(get(row, at + 6)?, size, input),
            content_type: text(row, at + 3)?,
            filename: text(row, at + 4)?,
            digest: Digest::default(),
        },
        retry: retry(row, at + 7, max_attempts)?,
        rerun_of: get::<Option<uuid::Uuid>>(row, at + 11)?.map(JobId),
        traceparent: text(row, at + 12)?,
    };
    Ok((spec, size as u64))
}

/// Reads the four columns of a retry policy from `at` on.
pub(super) fn retry(row: &Row, at: usize, max_attempts: u32) -> Result<RetryPolicy> {
    Ok(RetryPolicy {
        max_attempts,
        initial: get(row, at)?,
        factor: get(row, at + 1)?,
        max: get(row, at + 2)?,
        jitter: get(row, at + 3)?,
    })
}

/// Bytes of a column.
pub(super) fn bytes(row: &Row, column: usize) -> Result<Option<Bytes>> {
    Ok(get::<Option<&[u8]>>(row, column)?.map(Bytes::copy_from_slice))
}

pub(super) fn payload(blob: Option<&str>, size: i64, bytes: Option<Bytes>) -> Payload {
    match (blob, bytes) {
        (Some(name), _) => Payload::Blob { name: name.into(), size: size as u64 },
        (None, Some(bytes)) => Payload::Inline(bytes),
        (None, None) => Payload::Empty,
    }
}

/// Reads a payload row: content type, file name, blob, size, bytes, digest.
pub(super) fn content(row: &Row) -> Result<Content> {
    Ok(Content {
        payload: payload(get(row, 2)?, get(row, 3)?, bytes(row, 4)?),
        content_type: text(row, 0)?,
        filename: text(row, 1)?,
        digest: digest(row, 5)?.unwrap_or_default(),
    })
}

/// Reads [`JOB`], [`SPEC`], [`REPORT`] and [`RESULT`].
pub(super) fn record(row: &Row, shared: &Shared) -> Result<Record> {
    let job = job(row, shared)?;
    let (spec, input_size) = spec(row, JOB_COLUMNS, job.max_attempts, None)?;
    let at = JOB_COLUMNS + SPEC_COLUMNS;
    Ok(Record {
        progress: get::<Option<&str>>(row, at)?.map(codec::progress).transpose()?,
        failure: get::<Option<&str>>(row, at + 1)?.map(codec::failure).transpose()?,
        job,
        spec,
        input_size,
        result: result(row, at + 2)?,
    })
}

/// Reads [`RESULT`] from column `at` on; `None` where there is none.
pub(super) fn result(row: &Row, at: usize) -> Result<Option<ResultInfo>> {
    let Some(digest) = digest(row, at + 2)? else { return Ok(None) };
    let (content_type, filename) = (text(row, at)?, text(row, at + 1)?);
    Ok(Some(ResultInfo {
        content_type,
        filename,
        size: get::<i64>(row, at + 3)? as u64,
        digest,
        value: bytes(row, at + 4)?,
    }))
}

/// Reads [`EVENT`]; the names behind its numbers must be known, see [`Shared::learn`].
pub(super) fn event(row: &Row, shared: &Shared) -> Result<Event> {
    let event_type = EventType::from_number(get::<i16>(row, 3)?.into()).ok_or_else(|| unreadable("unknown event"))?;
    let name = |column| Name::new(get(row, column)?).map_err(|e| unreadable(&e.to_string()));
    let (queue, kind, data) = match get::<Option<i32>>(row, 9)?.zip(get::<Option<i32>>(row, 10)?) {
        Some((queue, kind)) => (
            shared.queues.name(queue).ok_or_else(|| unreadable("unknown queue"))?,
            shared.kinds.name(kind).ok_or_else(|| unreadable("unknown kind"))?,
            codec::event_data(event_type, get(row, 7)?)?,
        ),
        None => (name(11)?, name(12)?, EventData::Gone(event_type)),
    };
    Ok(Event {
        cursor: Cursor(get(row, 0)?),
        no: JobNo(get(row, 1)?),
        seq: number(row, 2)?,
        state: state(row, 4)?,
        attempt: number(row, 5)?,
        at: Timestamp(get(row, 6)?),
        data,
        job: JobId(get(row, 8)?),
        queue,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_characters_come_back() {
        for told in ["", "plain", "a\0b", "\u{1}0", "\u{1}\0\u{1}1", "\0\0", "\u{1}\u{1}0"] {
            let kept = escaped(told);
            assert!(!kept.contains('\0'));
            assert_eq!(&*plain(&kept), told);
        }
    }
}
