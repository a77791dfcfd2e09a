//! Rows to values and back; the only place that knows the order of columns.

use bytes::Bytes;
use raincheck_core::interpreter::Recorded;
use raincheck_core::{
    Content, Cursor, Digest, Event, EventData, EventType, Job, JobId, JobNo, Name, Payload, Spec, State, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};
use uuid::Uuid;

use super::names::KnownNames;
use crate::codec;
use crate::columns::{
    self, Asked, Changing, Columns, Guard, Kept, Lasting, ReadColumns, Reported, Shown, joined, row, split,
};
use crate::records::Record;
use crate::rules::known;
use crate::sqlite::error::{Result, SqliteError};

row! {
    /// How a job's row begins: its number, what else makes its id, or the id that was chosen, and the numbers of its queue
    /// and kind.
    struct Head as "j" {
        no: JobNo,
        random_bits: i64,
        client_id: Option<JobId>,
        queue: i64,
        kind: i64,
    }
}

/// Columns of a job, for `SELECT`; [`job`] reads them from the front.
pub(crate) const JOB: &str = joined!(", ", [Head::SELECT, Lasting::SELECT, Changing::SELECT]);
/// How many these are.
pub(crate) const JOB_COLUMNS: usize = Head::COUNT + Lasting::COUNT + Changing::COUNT;
/// Columns of a spec without its input's bytes; [`spec`] reads them.
pub(crate) const SPEC: &str = Asked::SELECT;
/// How many these are.
pub(crate) const SPEC_COLUMNS: usize = Asked::COUNT;
/// Columns of reports and results that a record shows, after job and spec.
pub(crate) const REST: &str = joined!(", ", [Reported::SELECT, Shown::SELECT]);

/// The public id as text, put together as `JobId` does.
pub(crate) const ID_TEXT: &str = "CASE WHEN j.client_id IS NULL THEN printf('%08x-%04x-7%03x-%04x-%012x', j.no >> 31, \
    (j.no >> 15) & 65535, (j.no >> 3) & 4095, 32768 | ((j.no & 7) << 11) | (j.random_bits >> 48), \
    j.random_bits & 281474976710655) \
    ELSE printf('%s-%s-%s-%s-%s', substr(hex(j.client_id), 1, 8), substr(hex(j.client_id), 9, 4), \
    substr(hex(j.client_id), 13, 4), \
    substr(hex(j.client_id), 17, 4), substr(hex(j.client_id), 21)) END";

/// A public id from the columns that hold it.
pub(crate) fn id(no: i64, random_bits: i64, client_id: Option<[u8; 16]>) -> JobId {
    client_id.map_or_else(|| JobId::from_parts(JobNo(no), random_bits), |bytes| JobId(Uuid::from_bytes(bytes)))
}

pub(crate) fn job(row: &Row<'_>, names: &KnownNames) -> Result<Job> {
    let Head { no, random_bits, client_id, queue, kind } = Head::of_sqlite(row, 0)?;
    let id = client_id.unwrap_or_else(|| JobId::from_parts(no, random_bits));
    let queue = names.queue_name(queue).ok_or_else(|| SqliteError::unreadable("unknown queue"))?;
    let kind = names.kind_name(kind).ok_or_else(|| SqliteError::unreadable("unknown kind"))?;
    let lasting = Lasting::of_sqlite(row, Head::COUNT)?;
    let changing = Changing::of_sqlite(row, Head::COUNT + Lasting::COUNT)?;
    Ok(columns::job((no, id), queue, kind, lasting, changing))
}

/// Reads [`SPEC`] from the front; `max_attempts` stands with the job.
pub(crate) fn spec(row: &Row<'_>, max_attempts: u32, input: Option<Vec<u8>>) -> Result<Spec> {
    Ok(Asked::of_sqlite(row, 0)?.spec(max_attempts, input.map(Bytes::from))?)
}

pub(crate) fn payload(blob: Option<Box<str>>, size: i64, bytes: Option<Vec<u8>>) -> Payload {
    match (blob, bytes) {
        (Some(name), _) => Payload::Blob { name, size: size as u64 },
        (None, Some(bytes)) => Payload::Inline(Bytes::from(bytes)),
        (None, None) => Payload::Empty,
    }
}

/// Reads [`JOB`], [`SPEC`] and [`REST`].
pub(crate) fn record(row: &Row<'_>, names: &KnownNames) -> Result<Record> {
    let (job, asked) = (job(row, names)?, Asked::of_sqlite(row, JOB_COLUMNS)?);
    let reported = Reported::of_sqlite(row, JOB_COLUMNS + SPEC_COLUMNS)?;
    let result = Shown::of_sqlite(row, JOB_COLUMNS + SPEC_COLUMNS + Reported::COUNT)?;
    Ok(reported.record(job, asked, result.info())?)
}

/// Columns of an event and of the job it belongs to.
pub(crate) const EVENT: &str =
    "e.cursor, e.no, e.seq, e.type, e.state, e.attempt, e.at, e.data, j.random_bits, j.client_id, j.queue, j.kind";

/// Reads [`EVENT`]; what there is no job of any more is joined with its tombstone.
pub(crate) fn event(db: &Connection, row: &Row<'_>, names: &KnownNames) -> Result<Event> {
    let no = row.get(1)?;
    let event_type = EventType::from_number(row.get(3)?).ok_or_else(|| SqliteError::unreadable("unknown event"))?;
    let (job, queue, kind, data) = match row.get(8)? {
        Some(random_bits) => (
            id(no, random_bits, row.get(9)?),
            names.queue_name(row.get(10)?).ok_or_else(|| SqliteError::unreadable("unknown queue"))?,
            names.kind_name(row.get(11)?).ok_or_else(|| SqliteError::unreadable("unknown kind"))?,
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
        state: State::from_number(row.get(4)?).ok_or_else(|| SqliteError::unreadable("unknown state"))?,
        attempt: row.get(5)?,
        at: Timestamp(row.get(6)?),
        data,
    })
}

/// What events say of a job that is forgotten.
fn tombstone(db: &Connection, no: i64) -> Result<(JobId, Name, Name)> {
    let (id, queue, kind): (_, Box<str>, Box<str>) = db
        .prepare_cached("SELECT id, queue, kind FROM tombstone WHERE no=?1")?
        .query_row([no], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let name =
        |text: &str| Name::new(text).map_err(|error| SqliteError::unreadable(format!("the name {text:?} {error}")));
    Ok((JobId(Uuid::from_bytes(id)), name(&queue)?, name(&kind)?))
}

/// An `INSERT` of all these columns.
macro_rules! insert {
    ($table:literal, [$($name:expr),+], [$($place:expr),+]) => {
        joined!([
            concat!("INSERT INTO ", $table, " ("), joined!(", ", [$($name),+]),
            ") VALUES (", joined!(", ", [$($place),+]), ")"
        ])
    };
}

pub(crate) const INSERT_JOB: &str =
    insert!("job", [Head::NAMES, Lasting::NAMES, Changing::NAMES], [Head::PLACES, Lasting::PLACES, Changing::PLACES]);
pub(crate) const UPDATE_JOB: &str =
    joined!(["UPDATE job SET ", Changing::SETS, " WHERE no=? AND state=? AND attempt=? AND seq=?"]);
pub(crate) const INSERT_SPEC: &str = insert!("spec", ["no", Asked::NAMES, "input"], ["?", Asked::PLACES, "?"]);
pub(crate) const INSERT_RESULT: &str = insert!("result", [Kept::NAMES], [Kept::PLACES]);

/// `insert` is [`INSERT_JOB`].
pub(crate) fn insert_job(insert: &mut Statement<'_>, job: &Job, queue: i64, kind: i64) -> Result<()> {
    let minted = job.id.parts().filter(|(no, _)| *no == job.no);
    let client_id = if minted.is_some() { None } else { Some(job.id) };
    let random_bits = minted.map_or(0, |(_, random_bits)| random_bits);
    Head { no: job.no, random_bits, client_id, queue, kind }.bind(1, insert)?;
    Lasting::of(job).bind(1 + Head::COUNT, insert)?;
    Changing::of(job).bind(1 + Head::COUNT + Lasting::COUNT, insert)?;
    insert.raw_execute()?;
    Ok(())
}

/// Writes what may change, guarded by the state, attempt and number of the last event it must find; answers whether it
/// found them. `update` is [`UPDATE_JOB`].
pub(crate) fn update_job(
    update: &mut Statement<'_>,
    job: &Job,
    (state, attempt, seq): (State, u32, u32),
) -> Result<bool> {
    Changing::of(job).bind(1, update)?;
    Guard { no: job.no, state, attempt, seq }.bind(1 + Changing::COUNT, update)?;
    Ok(update.raw_execute()? == 1)
}

/// `insert` is [`INSERT_SPEC`].
pub(crate) fn insert_spec(db: &Connection, insert: &mut Statement<'_>, no: JobNo, spec: &Spec) -> Result<()> {
    let (bytes, blob) = split(&spec.input.payload);
    insert.raw_bind_parameter(1, no.0)?;
    Asked::of(spec)?.bind(2, insert)?;
    insert.raw_bind_parameter(2 + Asked::COUNT, bytes)?;
    insert.raw_execute()?;
    keep_blob(db, no, blob, &spec.input.digest)
}

/// The result of a job, as far as another one is compared with it.
pub(crate) fn recorded(db: &Connection, no: JobNo) -> Result<Option<Recorded>> {
    let recorded = db
        .prepare_cached("SELECT digest, content_type, filename FROM result WHERE no=?1")?
        .query_row([no.0], |row| Ok(Recorded { digest: row.get(0)?, content_type: row.get(1)?, filename: row.get(2)? }))
        .optional()?;
    Ok(recorded)
}

/// `insert` is [`INSERT_RESULT`].
pub(crate) fn insert_result(db: &Connection, insert: &mut Statement<'_>, no: JobNo, result: &Content) -> Result<()> {
    Kept::of(no, result).bind(1, insert)?;
    insert.raw_execute()?;
    keep_blob(db, no, split(&result.payload).1, &result.digest)
}

fn keep_blob(db: &Connection, no: JobNo, blob: Option<&str>, digest: &Digest) -> Result<()> {
    if let Some(name) = blob {
        db.prepare_cached("INSERT INTO blob VALUES (?1, ?2, ?3)")?.execute(params![name, no.0, known(digest)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::declared;

    #[test]
    fn every_column_of_a_row_is_written() {
        let migration = include_str!("../migrations/V1__foundation.sql");
        for (table, written) in [
            ("job", [Head::EACH, Lasting::EACH, Changing::EACH].concat()),
            ("spec", [&["no"], Asked::EACH, &["input"]].concat()),
            ("result", Kept::EACH.to_vec()),
        ] {
            let mut written = written;
            written.sort_unstable();
            let declared: Vec<_> = declared(migration, table).into_iter().map(|(name, _)| name).collect();
            assert_eq!(written, declared, "{table}");
        }
    }
}
