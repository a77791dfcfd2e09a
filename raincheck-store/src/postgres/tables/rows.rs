//! Rows to values and back; the only place that knows the order of columns.

use std::sync::LazyLock;

use bytes::Bytes;
use raincheck_core::{
    ChunkKind, Content, Cursor, Digest, Event, EventData, EventType, Job, JobId, JobNo, Name, Object, ObjectKind,
    Payload, RetryPolicy, Spec, State, Timestamp,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::names::KnownNames;
use super::sql::TRIMMED;
use super::text::plain;
use crate::codec;
use crate::columns::{self, Asked, Changing, Columns, Lasting, ReadColumns, Reported, Shown, joined, row};
use crate::postgres::error::PgError;
use crate::records::{Record, ResultInfo};

type Result<T> = std::result::Result<T, PgError>;

row! {
    /// How a job's row begins: its number and id, and the numbers of its queue and kind.
    pub(crate) struct Head as "j" {
        no: JobNo,
        id: JobId,
        queue: i32,
        kind: i32,
    }
}

/// Columns of a job, for `SELECT`; [`job`] reads them from the front.
pub(crate) const JOB: &str = joined!(", ", [Head::SELECT, Lasting::SELECT, Changing::SELECT]);
pub(crate) const JOB_COLUMNS: usize = Head::COUNT + Lasting::COUNT + Changing::COUNT;
/// Columns of [`JOB`] that hold numbers of a queue and of a kind, for [`KnownNames::load_missing`].
pub(crate) const JOB_NAMES: (usize, usize) = (2, 3);
/// Columns of a spec without its input's bytes; [`spec`] reads them.
pub(crate) const SPEC: &str = Asked::SELECT;
pub(crate) const SPEC_COLUMNS: usize = Asked::COUNT;
/// Columns of a report that a record shows, after job and spec; then come those of its [`RESULT`].
pub(crate) const REPORT: &str = Reported::SELECT;
/// Columns of a result as a job shows it; [`result`] reads them.
pub(crate) const RESULT: &str = Shown::SELECT;
/// Columns of an event, of its feed row and of the job it belongs to, or of what is left of that, see [`OF_EVENT`].
pub(crate) const EVENT: &str = "f.first + e.idx, e.no, e.seq, e.type, e.state, e.attempt, e.at, \
    CASE WHEN j.no IS NOT NULL THEN e.data END AS data, coalesce(j.id, t.id), j.queue, j.kind, t.queue, t.kind";
/// What an event is joined with.
pub(crate) const OF_EVENT: &str = "LEFT JOIN job j ON j.no=e.no LEFT JOIN tombstone t ON t.no=e.no AND j.no IS NULL";
/// Which are shown: where the job is forgotten, those that the feed is not trimmed past.
pub(crate) static SHOWN: LazyLock<String> =
    LazyLock::new(|| format!("(j.no IS NOT NULL OR t.no IS NOT NULL AND f.first + e.idx > {TRIMMED})"));
/// Columns of [`EVENT`] that hold numbers of a queue and of a kind, for [`KnownNames::load_missing`].
pub(crate) const EVENT_NAMES: (usize, usize) = (9, 10);

fn unreadable(what: &str) -> PgError {
    PgError::Unreadable(what.to_owned())
}

fn text(row: &Row, column: usize) -> Result<Option<Box<str>>> {
    Ok(row.try_get::<_, Option<&str>>(column)?.map(plain))
}

/// A count: `integer` keeps the bits of a `u32`.
pub(crate) fn count(n: u32) -> i32 {
    n.cast_signed()
}

fn number(row: &Row, column: usize) -> Result<u32> {
    Ok(row.try_get::<_, i32>(column)?.cast_unsigned())
}

pub(crate) fn digest(row: &Row, column: usize) -> Result<Option<Digest>> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    bytes.map(|bytes| bytes.try_into().map_err(|_| unreadable("a digest has another length"))).transpose()
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    Ok(row.try_get(column)?)
}

/// Reads [`JOB`]; the names behind its numbers must be known, see [`KnownNames::load_missing`].
pub(crate) fn job(row: &Row, names: &KnownNames) -> Result<Job> {
    let Head { no, id, queue, kind } = Head::of_postgres(row, 0)?;
    let queue = names.queues.name(queue).ok_or_else(|| unreadable("unknown queue"))?;
    let kind = names.kinds.name(kind).ok_or_else(|| unreadable("unknown kind"))?;
    let lasting = Lasting::of_postgres(row, Head::COUNT)?;
    let changing = Changing::of_postgres(row, Head::COUNT + Lasting::COUNT)?;
    Ok(columns::job((no, id), queue, kind, lasting, changing))
}

pub(crate) fn state(row: &Row, column: usize) -> Result<State> {
    State::from_number(get::<i16>(row, column)?.into()).ok_or_else(|| unreadable("unknown state"))
}

/// Reads [`SPEC`] from the front; `max_attempts` stands with the job.
pub(crate) fn spec(row: &Row, max_attempts: u32, input: Option<Bytes>) -> Result<Spec> {
    Ok(Asked::of_postgres(row, 0)?.spec(max_attempts, input)?)
}

/// Reads the four columns of a retry policy from `at` on.
pub(crate) fn retry(row: &Row, at: usize, max_attempts: u32) -> Result<RetryPolicy> {
    Ok(RetryPolicy {
        max_attempts,
        initial: get(row, at)?,
        factor: get(row, at + 1)?,
        max: get(row, at + 2)?,
        jitter: get(row, at + 3)?,
    })
}

/// Bytes of a column.
pub(crate) fn bytes(row: &Row, column: usize) -> Result<Option<Bytes>> {
    Ok(get::<Option<&[u8]>>(row, column)?.map(Bytes::copy_from_slice))
}

pub(crate) fn payload(blob: Option<&str>, size: i64, bytes: Option<Bytes>) -> Payload {
    match (blob, bytes) {
        (Some(name), _) => Payload::Blob { name: name.into(), size: size as u64 },
        (None, Some(bytes)) => Payload::Inline(bytes),
        (None, None) => Payload::Empty,
    }
}

/// Reads a payload row: content type, file name, blob, size, bytes, digest.
pub(crate) fn content(row: &Row) -> Result<Content> {
    Ok(Content {
        payload: payload(get(row, 2)?, get(row, 3)?, bytes(row, 4)?),
        content_type: text(row, 0)?,
        filename: text(row, 1)?,
        digest: digest(row, 5)?.unwrap_or_default(),
    })
}

/// Reads [`JOB`], [`SPEC`], [`REPORT`] and [`RESULT`].
pub(crate) fn record(row: &Row, names: &KnownNames) -> Result<Record> {
    let (job, asked) = (job(row, names)?, Asked::of_postgres(row, JOB_COLUMNS)?);
    let reported = Reported::of_postgres(row, JOB_COLUMNS + SPEC_COLUMNS)?;
    Ok(reported.record(job, asked, result(row, JOB_COLUMNS + SPEC_COLUMNS + Reported::COUNT)?)?)
}

/// Reads [`RESULT`] from column `at` on; `None` where there is none.
pub(crate) fn result(row: &Row, at: usize) -> Result<Option<ResultInfo>> {
    Ok(Shown::of_postgres(row, at)?.info())
}

/// Reads [`EVENT`]; the names behind its numbers must be known, see [`KnownNames::load_missing`].
pub(crate) fn event(row: &Row, names: &KnownNames) -> Result<Event> {
    let event_type = EventType::from_number(get::<i16>(row, 3)?.into()).ok_or_else(|| unreadable("unknown event"))?;
    let chosen = |column| Name::new(get(row, column)?).map_err(|e| unreadable(&e.to_string()));
    let (queue, kind, data) = match get::<Option<i32>>(row, 9)?.zip(get::<Option<i32>>(row, 10)?) {
        Some((queue, kind)) => (
            names.queues.name(queue).ok_or_else(|| unreadable("unknown queue"))?,
            names.kinds.name(kind).ok_or_else(|| unreadable("unknown kind"))?,
            codec::event_data(event_type, get(row, 7)?)?,
        ),
        None => (chosen(11)?, chosen(12)?, EventData::Gone(event_type)),
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

/// What a number says that a piece belongs to.
pub(crate) fn chunk_kind(number: i16) -> ChunkKind {
    if number == ChunkKind::Log as i16 { ChunkKind::Log } else { ChunkKind::Stream }
}

/// The kind of a named object, which its row begins with.
pub(crate) fn object_kind(row: &Row) -> Result<ObjectKind> {
    let number: i16 = row.try_get(0)?;
    ObjectKind::from_number(number.into()).ok_or_else(|| PgError::Unreadable(format!("{number} is no kind of object")))
}

/// Reads a named object: kind, name, version, time of the last change, body.
pub(crate) fn object(row: &Row) -> Result<Object> {
    Ok(Object {
        kind: object_kind(row)?,
        name: Name::new(row.try_get(1)?).map_err(|error| PgError::Unreadable(error.to_string()))?,
        version: row.try_get(2)?,
        updated_at: Timestamp(row.try_get(3)?),
        body: row.try_get::<_, Vec<u8>>(4)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{Kept, declared};

    #[test]
    fn every_column_of_a_row_is_written_as_what_it_is() {
        let migration = include_str!("../migrations/V1__foundation.sql");
        let of = |names: &[&[&'static str]], types: &[&[&'static str]]| -> Vec<_> {
            names.concat().into_iter().zip(types.concat()).collect()
        };
        for (table, written) in [
            ("job", of(&[Head::EACH, Lasting::EACH, Changing::EACH], &[Head::TYPES, Lasting::TYPES, Changing::TYPES])),
            ("spec", of(&[&["no"], Asked::EACH, &["input"]], &[&["bigint"], Asked::TYPES, &["bytea"]])),
            ("result", of(&[Kept::EACH], &[Kept::TYPES])),
        ] {
            let mut written = written;
            written.sort_unstable();
            assert_eq!(written, declared(migration, table), "{table}");
        }
    }
}
