//! Everything of a stopped store on SQLite, put into an empty one on PostgreSQL, all or nothing.

use std::error::Error;
use std::pin::pin;

use bytes::BytesMut;
use raincheck_core::{JobId, JobNo};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::runtime::Handle;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::blobs::{BlobFolder, Blobs};
use crate::columns::number::{RUNNING, STARTED};
use crate::columns::{Asked, Changing, Columns, Flags, Kept, Lasting, joined};
use crate::postgres::{NOW, Partitions, PgError, SERVED, TICKETS, escaped, id as store_id};
use crate::rules::CIRCLE;
use crate::sqlite::{failed, id as sqlite_id, other, unpacked};
use crate::{PostgresOptions, SqliteOptions, StoreError};

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Jobs, finished ones among them.
    pub jobs: u64,
    /// Events of the change feed.
    pub events: u64,
    /// Large payloads that were copied.
    pub files: u64,
}

/// Rows of one table on their way: what SQLite is asked, and where that goes. Events of 10,000 cursors share a feed row.
struct Table {
    name: &'static str,
    columns: &'static str,
    select: &'static str,
}

const TABLES: &[Table] = &[
    Table { name: "kind", columns: "id, name", select: "SELECT id, name FROM kind" },
    Table {
        name: "queue",
        columns: "id, name, paused, max_queued, concurrency",
        select: "SELECT id, name, paused, max_queued, concurrency FROM queue",
    },
    Table {
        name: "object",
        columns: "kind, name, version, updated_at, body",
        select: "SELECT kind, name, version, updated_at, body FROM object",
    },
    Table {
        name: "counter",
        columns: "queue, kind, state, node, n",
        // Tickets given out and served stand among the counters there; whichever kind they stand under, the sum counts.
        select: "SELECT queue, kind, state, 0, n FROM counter \
                 UNION ALL SELECT id, (SELECT min(id) FROM kind), :tickets, 0, tickets FROM queue WHERE tickets > 0 \
                 UNION ALL SELECT id, (SELECT min(id) FROM kind), :served, 0, served FROM queue WHERE served > 0",
    },
    Table {
        name: "job",
        columns: joined!(", ", ["no, id, queue, kind", Lasting::NAMES, Changing::NAMES]),
        select: joined!([
            "SELECT no, coalesce(client_id, random_bits), queue, kind, ",
            Lasting::SELECT,
            ", ",
            Changing::SELECT,
            " FROM job j"
        ]),
    },
    Table {
        name: "spec",
        columns: joined!(", ", ["no", Asked::NAMES, "input"]),
        select: joined!(["SELECT no, ", Asked::NAMES, ", input FROM spec"]),
    },
    Table { name: "result", columns: Kept::NAMES, select: joined!(["SELECT ", Kept::NAMES, " FROM result"]) },
    Table { name: "report", columns: "no, progress, failure", select: "SELECT no, progress, failure FROM report" },
    Table {
        name: "event",
        columns: "batch, idx, no, seq, type, state, attempt, at, data",
        select: "SELECT (cursor - :first) / 10000 + 1, (cursor - :first) % 10000, no, seq, type, state, attempt, at, \
                 data FROM event ORDER BY cursor",
    },
    Table {
        name: "feed",
        columns: "pos, batch, first, last, node, low, high",
        select: "SELECT row_number() OVER (ORDER BY piece), piece + 1, :first + piece * 10000, last, 0, low, high FROM \
                 (SELECT (cursor - :first) / 10000 AS piece, max(cursor) AS last, min(no) AS low, max(no) AS high \
                 FROM event GROUP BY 1)",
    },
    Table {
        name: "lease",
        columns: "no, attempt, ttl, until, timeout_at, cancel, worker, kept",
        select: "SELECT no, attempt, ttl, :now + ttl, :now + max(timeout - max(:now - started_at, 0), 0), \
                 flags & :cancel_requested, coalesce((SELECT e.data ->> 'worker' FROM event e \
                 WHERE e.no=j.no AND e.type=:started AND e.attempt=j.attempt), ''), ttl FROM job j WHERE state=:running",
    },
    Table {
        name: "claim",
        columns: "scope, queue, key, no, fingerprint, jobs",
        select: "SELECT scope, queue, key, no, fingerprint, jobs FROM claim",
    },
    Table {
        name: "chunk",
        columns: "no, kind, attempt, start, run, base, content_type, bytes",
        select: "SELECT no, kind, attempt, offset, run, base, content_type, bytes FROM chunk",
    },
    Table { name: "follow_up", columns: "what, no", select: "SELECT what, no FROM follow_up ORDER BY id" },
    Table { name: "blob", columns: "name, no, digest", select: "SELECT name, no, digest FROM blob" },
    Table {
        name: "tombstone",
        columns: "no, id, until, queue, kind",
        select: "SELECT no, id, until, queue, kind FROM tombstone",
    },
];

/// What counters of its own a database needs to go on with.
const AFTER: &str = "
    SELECT setval(pg_get_serial_sequence('queue', 'id'), max(id)) FROM queue HAVING count(*) > 0;
    SELECT setval(pg_get_serial_sequence('kind', 'id'), max(id)) FROM kind HAVING count(*) > 0;
    SELECT setval('batch', max(batch)) FROM feed HAVING max(batch) > 0;
    ANALYZE";

/// Moves all that a store on SQLite holds into an empty database of PostgreSQL. Nobody may serve either meanwhile. Handles,
/// keys, leases and cursors go on to mean what they meant; a running lease gets its full length again. Large payloads are
/// copied to where the new store keeps them, unless both have the same folder. `tell` hears of each table, and how many rows it had.
///
/// # Errors
/// When there is no such data, a server has it, it is of another format than this program's, the database holds jobs,
/// or something cannot be read or written. Then nothing was moved.
pub async fn migrate(
    from: SqliteOptions,
    to: PostgresOptions,
    mut tell: impl FnMut(&str, u64) + Send + 'static,
) -> Result<Moved, StoreError> {
    let runtime = Handle::current();
    // SQLite is read on a thread of its own, row by row, as PostgreSQL takes them.
    let moved = tokio::task::spawn_blocking(move || runtime.block_on(all(&from, &to, &mut tell)));
    moved.await.map_err(|error| StoreError::Other(error.to_string()))?
}

async fn all(
    from: &SqliteOptions,
    to: &PostgresOptions,
    tell: &mut impl FnMut(&str, u64),
) -> Result<Moved, StoreError> {
    let opened = from.open_read_only()?;
    if opened.served {
        return Err(StoreError::InUse(from.path.display().to_string()));
    }
    let mut client = to.prepare().await?;
    partitions(&opened.db, &mut client, to).await?;
    let id = store_id(&client).await?;
    let transaction = client.transaction().await.map_err(PgError::from)?;
    let mut moved = rows(&opened.db, &transaction, tell).await?;
    let source = BlobFolder::at(&from.blobs);
    let (old, new) = (sqlite_id(&opened.db).map_err(other)?, id);
    let unusable = |error| to.blobs.unusable(&error);
    // Where both have one folder, both may enter it until the move is certain; after that the old store would find there what
    // it does not know.
    let shared = source.admit(&to.blobs, old, new).map_err(unusable)?;
    let target = Blobs::open(&to.blobs, new).await.map_err(unusable)?;
    moved.files = files(&opened.db, &source, &target).await?;
    transaction.commit().await.map_err(PgError::from)?;
    if shared {
        source.pass_to(new).map_err(unusable)?;
    }
    Ok(moved)
}

/// Makes partitions for all numbers of jobs. That is done first: in one transaction, as many as there may be would need
/// more locks than a server has.
async fn partitions(from: &Connection, to: &mut Client, options: &PostgresOptions) -> Result<(), StoreError> {
    let partitions = Partitions::of(options.partition_length);
    // Events outlive their jobs.
    let mut next = from
        .prepare(
            "SELECT min(no) FROM (SELECT min(no) AS no FROM job WHERE no >= ?1 \
             UNION ALL SELECT min(no) FROM event WHERE no >= ?1)",
        )
        .map_err(other)?;
    let mut from = 0;
    while let Some(no) = next.query_row([from], |row| row.get::<_, Option<i64>>(0)).map_err(other)? {
        if no < from {
            return Err(StoreError::Other(format!("the data is damaged: jobs: {CIRCLE}; see `raincheck doctor`")));
        }
        partitions.make(to, JobNo(no)).await?;
        from = partitions.end_of(JobNo(no));
    }
    Ok(())
}

/// All tables, and what stands apart from them.
async fn rows(from: &Connection, to: &Transaction<'_>, tell: &mut impl FnMut(&str, u64)) -> Result<Moved, StoreError> {
    let taken = "SELECT EXISTS (SELECT FROM queue) OR EXISTS (SELECT FROM feed WHERE pos > 0)";
    to.batch_execute("LOCK TABLE feed IN ACCESS EXCLUSIVE MODE").await.map_err(PgError::from)?;
    let taken: bool = to.query_one(taken, &[]).await.and_then(|row| row.try_get(0)).map_err(PgError::from)?;
    if taken {
        return Err(StoreError::Other("the database holds jobs already; move into an empty one".to_owned()));
    }
    let number = |sql: &str| from.query_row(sql, [], |row| row.get::<_, i64>(0)).optional().map_err(other);
    let first = number("SELECT min(cursor) FROM event HAVING count(*) > 0")?.unwrap_or(1);
    let now =
        to.query_one(&format!("SELECT {NOW}"), &[]).await.and_then(|row| row.try_get(0)).map_err(PgError::from)?;
    let mut moved = Moved::default();
    for table in TABLES {
        let rows = copy(from, to, table, first, now).await?;
        tell(table.name, rows);
        match table.name {
            "job" => moved.jobs = rows,
            "event" => moved.events = rows,
            _ => {}
        }
    }
    let secret: Option<Vec<u8>> =
        from.query_row("SELECT value FROM meta WHERE name='secret'", [], |row| row.get(0)).optional().map_err(other)?;
    let floor = number("SELECT value FROM meta WHERE name='feed_floor'")?;
    // The feed goes on behind what it once held, whatever retention left of that.
    let behind = "UPDATE feed SET last=greatest(last, $1), first=CASE WHEN pos=0 THEN $1+1 ELSE first END \
                  WHERE pos=(SELECT max(pos) FROM feed)";
    let kept = "INSERT INTO meta (name, number, bytes) VALUES ($1, $2, $3) \
                ON CONFLICT (name) DO UPDATE SET number=excluded.number, bytes=excluded.bytes";
    if let Some(floor) = floor {
        to.execute(behind, &[&floor]).await.map_err(PgError::from)?;
    }
    let mut facts = vec![("secret", None, secret)];
    for name in ["feed_floor", "feed_trimmed", "feed_forgotten_bytes", "last_dropped"] {
        facts.push((name, number(&format!("SELECT value FROM meta WHERE name='{name}'"))?, None));
    }
    for (name, number, bytes) in facts.into_iter().filter(|(_, number, bytes)| number.is_some() || bytes.is_some()) {
        to.execute(kept, &[&name, &number, &bytes]).await.map_err(PgError::from)?;
    }
    requests(from, to).await?;
    // Leases begin anew now: nobody kept them from being renewed before.
    to.batch_execute(&format!("UPDATE life SET at = {NOW}; {AFTER}")).await.map_err(PgError::from)?;
    Ok(moved)
}

/// Copies one table; answers how many rows it has.
async fn copy(from: &Connection, to: &Transaction<'_>, table: &Table, first: i64, now: i64) -> Result<u64, StoreError> {
    let Table { name, columns, select } = table;
    let like = to.prepare(&format!("SELECT {columns} FROM {name}")).await.map_err(PgError::from)?;
    let types: Vec<Type> = like.columns().iter().map(|column| column.type_().clone()).collect();
    let sink = to.copy_in(&format!("COPY {name} ({columns}) FROM STDIN BINARY")).await.map_err(PgError::from)?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    let numbers = [
        (":first", &*first.to_string()),
        (":now", &*now.to_string()),
        (":started", STARTED),
        (":running", RUNNING),
        (":cancel_requested", &*Flags::CANCEL_REQUESTED.to_string()),
        (":tickets", &*TICKETS.to_string()),
        (":served", &*SERVED.to_string()),
    ];
    let select = numbers.iter().fold((*select).to_owned(), |sql, (name, number)| sql.replace(name, number));
    let mut statement = from.prepare(&select).map_err(other)?;
    let mut rows = statement.query([]).map_err(other)?;
    let mut cells = Vec::with_capacity(types.len());
    while let Some(row) = rows.next().map_err(other)? {
        cells.clear();
        for (index, kind) in types.iter().enumerate() {
            cells.push(Cell::of(row, index, kind).map_err(other)?);
        }
        writer.as_mut().write_raw(cells.iter().map(|cell| cell as &(dyn ToSql + Sync))).await.map_err(PgError::from)?;
    }
    Ok(writer.finish().await.map_err(PgError::from)?)
}

/// Answers to lease requests, whose leases are a packed list on one side and two columns on the other.
async fn requests(from: &Connection, to: &Transaction<'_>) -> Result<(), StoreError> {
    let mut statement = from.prepare("SELECT id, at, leases FROM lease_request").map_err(other)?;
    let mut rows = statement.query([]).map_err(other)?;
    while let Some(row) = rows.next().map_err(other)? {
        let read = |row: &Row<'_>| -> rusqlite::Result<_> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let (id, at, packed): (Vec<u8>, i64, Vec<u8>) = read(row).map_err(other)?;
        let leases = unpacked(&packed);
        let nos: Vec<i64> = leases.iter().map(|lease| lease.no.0).collect();
        let attempts: Vec<i32> = leases.iter().map(|lease| lease.attempt.cast_signed()).collect();
        to.execute("INSERT INTO lease_request VALUES ($1, $2, $3, $4)", &[&id, &at, &nos, &attempts])
            .await
            .map_err(PgError::from)?;
    }
    Ok(())
}

/// Copies every payload that a row refers to; answers how many were not there. They are durable when it returns.
async fn files(from: &Connection, source: &BlobFolder, target: &Blobs) -> Result<u64, StoreError> {
    let mut statement = from.prepare("SELECT name FROM blob").map_err(other)?;
    let mut names = statement.query([]).map_err(other)?;
    let mut copied = 0;
    while let Some(row) = names.next().map_err(other)? {
        let name: Box<str> = row.get(0).map_err(other)?;
        match target.take_in(source, &name).await.map_err(failed)? {
            Some(new) => copied += u64::from(new),
            None => {
                return Err(StoreError::Other(format!("the payload {name} is missing; `raincheck doctor` tells more")));
            }
        }
    }
    target.sync().await.map_err(failed)?;
    Ok(copied)
}

/// One value between the two.
#[derive(Debug)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Id(Uuid),
}

impl Cell {
    /// What a row has in a column that goes into one of type `kind`.
    fn of(row: &Row<'_>, index: usize, kind: &Type) -> rusqlite::Result<Cell> {
        Ok(match row.get_ref(index)? {
            ValueRef::Null => Cell::Null,
            // The rest of an id that was made from the job's number, which is the first column.
            ValueRef::Integer(random_bits) if *kind == Type::UUID => {
                Cell::Id(JobId::from_parts(JobNo(row.get(0)?), random_bits).0)
            }
            ValueRef::Integer(n) => Cell::Integer(n),
            ValueRef::Real(n) => Cell::Real(n),
            ValueRef::Text(_) => Cell::Text(escaped(row.get_ref(index)?.as_str()?).into_owned()),
            ValueRef::Blob(_) if *kind == Type::UUID => Cell::Id(Uuid::from_bytes(row.get(index)?)),
            ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_owned()),
        })
    }
}

impl ToSql for Cell {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Integer(n) if *kind == Type::BOOL => (*n != 0).to_sql(kind, out),
            Cell::Integer(n) if *kind == Type::INT2 => i16::try_from(*n)?.to_sql(kind, out),
            // An `integer` keeps the bits of a count.
            Cell::Integer(n) if *kind == Type::INT4 => (*n as i32).to_sql(kind, out),
            Cell::Integer(n) if *kind == Type::FLOAT8 => (*n as f64).to_sql(kind, out),
            Cell::Integer(n) => n.to_sql(kind, out),
            Cell::Real(n) => n.to_sql(kind, out),
            Cell::Text(text) => text.to_sql(kind, out),
            Cell::Bytes(bytes) => bytes.to_sql(kind, out),
            Cell::Id(id) => id.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
