//! Moves the few jobs that are left of a partition to tables of their own, so that what is left of the many that are
//! forgotten goes. One job that failed and is kept for months would otherwise keep the rows of millions.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use super::known::{EVENTS, PAYLOADS, Span, attachment, creation};
use super::past::{Fate, PastPartition, alone, drop_tables, lock, table_names, take_tables};
use crate::columns::number::RUNNING;
use crate::postgres::error::PgError;
use crate::postgres::tables::sql::LAST_CURSOR;

/// It is worth while when so little is left, one job of so many.
const FEW: i64 = 4;
/// And there is so much to gain, bytes.
const LEAST: i64 = 1 << 20;
/// How often the locks are asked for before what was copied is given up.
const TRIES: usize = 5;
const LIVING: &str = "SELECT count(*) FROM (SELECT FROM job WHERE no >= $1 AND no < $2 LIMIT $3) AS those";
/// Less, or nothing, of tables that another node has just dropped.
const SIZE: &str =
    "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint FROM unnest($1::text[]) AS name";
const SUFFIX: &str = "SELECT split_part($1, '_', 1) || '_' || nextval('partition_number')";
/// What was planned before the tables had rows must do for any number of them.
const PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// Tables of a partition that are compacted together.
struct Part {
    /// Those that do not change any more of which rows are to stay, in SQL.
    finished: String,
    tables: &'static [&'static str],
    from: Vec<String>,
    to: Vec<String>,
    /// Of the new ones.
    suffix: String,
    /// What is written down of it, by the partition's `low`, the new suffix and how many jobs are left.
    kept: String,
}

/// Compacts a partition whose time is over, if that is worth while; its events stay until the feed is trimmed past
/// those of the jobs that are forgotten.
pub(crate) async fn compact(db: &mut Client, partition: &PastPartition, suffix: &str) -> Result<Fate, PgError> {
    let held = match partition.held {
        Some(held) => held,
        None => match count(db, partition, suffix).await? {
            Some(held) => held,
            None => return Ok(Fate::Stays),
        },
    };
    let Span { low, high } = partition.span;
    let few = held / FEW;
    let living: i64 = db.query_one(LIVING, &[&low, &high, &(few + 1)]).await?.try_get(0)?;
    let size: i64 = db.query_one(SIZE, &[&table_names(&PAYLOADS, suffix)]).await?.try_get(0)?;
    if living > few || size < LEAST {
        return Ok(Fate::Stays);
    }
    let kept = format!("UPDATE partition SET suffix = $2, held = $3, last = {LAST_CURSOR} WHERE low = $1");
    let Span { low, high } = partition.span;
    let finished = format!("SELECT no FROM job WHERE no >= {low} AND no < {high} AND state > {RUNNING}");
    replace(db, partition, (&PAYLOADS, suffix), finished, kept).await
}

/// Compacts the events of a partition that was compacted, now that the feed is trimmed past those of the jobs that were
/// forgotten then. Those that were not are the ones with a spec; some may be by now.
pub(crate) async fn compact_events(db: &mut Client, partition: &PastPartition, suffix: &str) -> Result<Fate, PgError> {
    let finished = format!(
        "SELECT s.no FROM spec_{suffix} s \
         WHERE NOT EXISTS (SELECT FROM job j WHERE j.no = s.no AND j.state <= {RUNNING})"
    );
    let kept = "UPDATE partition SET events = $2, held = least(held, $3), last = NULL WHERE low = $1".to_owned();
    replace(db, partition, (&EVENTS, &partition.events), finished, kept).await
}

async fn replace(
    db: &mut Client,
    partition: &PastPartition,
    (tables, suffix): (&'static [&'static str], &str),
    finished: String,
    kept: String,
) -> Result<Fate, PgError> {
    let mut transaction = db.transaction().await?;
    if !alone(&transaction, partition).await? {
        return Ok(Fate::Stays);
    }
    let new: String = transaction.query_one(SUFFIX, &[&suffix]).await?.try_get(0)?;
    let (from, to) = (table_names(tables, suffix), table_names(tables, &new));
    let part = Part { finished, tables, from, to, suffix: new, kept };
    copy_finished(&transaction, partition.span, &part).await?;
    for _ in 0..TRIES {
        let attempt = transaction.transaction().await?;
        if let Some(held) = change_places(&attempt, partition.span, &part).await? {
            attempt.commit().await?;
            transaction.commit().await?;
            let (partition, tables) = (part.suffix, part.tables);
            tracing::info!(partition, ?tables, held, "moved what is left of a partition to smaller tables");
            return Ok(Fate::Done);
        }
        attempt.rollback().await?;
    }
    Ok(Fate::InUse)
}

/// About how many jobs have rows in it; no more come, so that is written down. `None` when another node has just put
/// something else in its place.
async fn count(db: &Client, partition: &PastPartition, suffix: &str) -> Result<Option<i64>, PgError> {
    let spec = format!("spec_{suffix}");
    match db.batch_execute(&format!("ANALYZE {spec}")).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(None),
        analyzed => analyzed?,
    }
    let held = "UPDATE partition SET held = (SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($2)) \
        WHERE low = $1 AND suffix = $3 RETURNING held";
    let row = db.query_opt(held, &[&partition.span.low, &spec, &suffix]).await?;
    let held = row.map(|row| row.try_get::<_, Option<i64>>(0)).transpose()?;
    Ok(held.map(Option::unwrap_or_default))
}

/// Makes new tables, and copies to them what belongs to finished jobs: that does not change any more. Nobody is kept from
/// anything meanwhile.
async fn copy_finished(db: &Transaction<'_>, Span { low, high }: Span, part: &Part) -> Result<(), PgError> {
    db.batch_execute(PLAN).await?;
    for (table, (from, to)) in part.tables.iter().zip(part.from.iter().zip(&part.to)) {
        db.batch_execute(&creation(table, &part.suffix)).await?;
        // With this, nobody has to look through the rows when the table becomes a partition.
        db.batch_execute(&format!("ALTER TABLE {to} ADD CONSTRAINT in_{to} CHECK (no >= {low} AND no < {high})"))
            .await?;
        // The first table is copied first, and says which jobs these are.
        let first = part.first();
        let of = if to == first { format!("({}) AS j", part.finished) } else { format!("{first} AS j") };
        db.batch_execute(&format!("INSERT INTO {to} SELECT t.* FROM {of} JOIN {from} t ON t.no = j.no")).await?;
    }
    Ok(())
}

impl Part {
    fn first(&self) -> &str {
        self.to.first().map_or("", String::as_str)
    }
}

/// Copies the rest and puts the new tables in the place of the partitions; answers how many jobs they hold, or nothing when
/// somebody uses what is there.
async fn change_places(db: &Transaction<'_>, span: Span, part: &Part) -> Result<Option<i64>, PgError> {
    let Span { low, high } = span;
    if !lock(db, &format!("LOCK TABLE {} IN EXCLUSIVE MODE", part.from.join(", "))).await? {
        return Ok(None);
    }
    let first = part.first();
    // Whatever job of the partition is there, be it that nobody can know why.
    let rest = format!(
        "SELECT no FROM job j WHERE no >= $1 AND no < $2 AND NOT EXISTS (SELECT FROM {first} n WHERE n.no = j.no)"
    );
    let rest: Vec<i64> =
        db.query(&rest, &[&low, &high]).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for (from, to) in part.from.iter().zip(&part.to) {
        let copy =
            format!("INSERT INTO {to} SELECT t.* FROM unnest($1::bigint[]) AS j (no) JOIN {from} t ON t.no = j.no");
        db.execute(&copy, &[&rest]).await?;
    }
    let held: i64 = db.query_one(&format!("SELECT count(DISTINCT no) FROM {first}"), &[]).await?.try_get(0)?;
    if !take_tables(db, part.tables).await? {
        return Ok(None);
    }
    drop_tables(db, &part.from).await?;
    for (table, to) in part.tables.iter().zip(&part.to) {
        db.batch_execute(&attachment(table, &part.suffix, span)).await?;
        db.batch_execute(&format!("ALTER TABLE {to} DROP CONSTRAINT in_{to}")).await?;
    }
    db.execute(&part.kept, &[&low, &part.suffix, &held]).await?;
    Ok(Some(held))
}
