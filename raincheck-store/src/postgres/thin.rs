//! Moves the few jobs that are left of a stretch to partitions of their own, so that what is left of the many that are
//! forgotten goes. One job that failed and is kept for months would otherwise keep the rows of millions.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use super::shared::Trouble;
use super::stretch::{Span, TABLES, attachment, partition};
use super::tend::{Fate, Stretch, alone, drop_partitions, lock, take_tables};

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
const SUFFIX: &str = "SELECT split_part($1, '_', 1) || '_' || nextval('stretch_number')";
/// What was planned before the tables had rows must do for any number of them.
const PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// Thins a stretch whose time is over, if that is worth while.
pub(super) async fn thin(db: &mut Client, stretch: &Stretch) -> Result<Fate, Trouble> {
    let held = match stretch.held {
        Some(held) => held,
        None => match count(db, stretch).await? {
            Some(held) => held,
            None => return Ok(Fate::Stays),
        },
    };
    let Span { low, high } = stretch.span;
    let few = held / FEW;
    let living: i64 = db.query_one(LIVING, &[&low, &high, &(few + 1)]).await?.try_get(0)?;
    let size: i64 = db.query_one(SIZE, &[&&stretch.partitions()[..]]).await?.try_get(0)?;
    if living > few || size < LEAST {
        return Ok(Fate::Stays);
    }
    let mut transaction = db.transaction().await?;
    if !alone(&transaction, stretch).await? {
        return Ok(Fate::Stays);
    }
    let new = copy_finished(&transaction, stretch).await?;
    for _ in 0..TRIES {
        let attempt = transaction.transaction().await?;
        if let Some(held) = change_places(&attempt, stretch, &new).await? {
            attempt.commit().await?;
            transaction.commit().await?;
            tracing::info!(stretch = new.suffix, held, "moved what is left of a stretch to smaller partitions");
            return Ok(Fate::Done);
        }
        attempt.rollback().await?;
    }
    Ok(Fate::InUse)
}

/// About how many jobs have rows in it; no more come, so that is written down. `None` when another node has just put
/// something else in its place.
async fn count(db: &Client, stretch: &Stretch) -> Result<Option<i64>, Trouble> {
    let [spec, ..] = stretch.partitions();
    match db.batch_execute(&format!("ANALYZE {spec}")).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(None),
        analyzed => analyzed?,
    }
    let held = "UPDATE stretch SET held = (SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($2)) \
        WHERE low = $1 AND suffix = $3 RETURNING held";
    let row = db.query_opt(held, &[&stretch.span.low, &spec, &stretch.suffix]).await?;
    let held = row.map(|row| row.try_get::<_, Option<i64>>(0)).transpose()?;
    Ok(held.map(Option::unwrap_or_default))
}

/// Makes new tables, and copies to them what belongs to finished jobs: that does not change any more. Nobody is kept from
/// anything meanwhile.
async fn copy_finished(db: &Transaction<'_>, stretch: &Stretch) -> Result<Stretch, Trouble> {
    let suffix = db.query_one(SUFFIX, &[&stretch.suffix]).await?.try_get(0)?;
    let new = Stretch { span: stretch.span, suffix, held: None };
    let Span { low, high } = new.span;
    db.batch_execute(PLAN).await?;
    let (from, to) = (stretch.partitions(), new.partitions());
    for (table, (from, to)) in TABLES.iter().zip(from.iter().zip(&to)) {
        db.batch_execute(&partition(table, &new.suffix)).await?;
        // With this, nobody has to look through the rows when the table becomes a partition.
        db.batch_execute(&format!("ALTER TABLE {to} ADD CONSTRAINT in_{to} CHECK (no >= {low} AND no < {high})"))
            .await?;
        // The specs are copied first, and say which jobs these are.
        let of = if *table == "spec" {
            format!("(SELECT no FROM job WHERE no >= {low} AND no < {high} AND state > 3) AS j")
        } else {
            format!("{} AS j", to_spec(&new))
        };
        db.batch_execute(&format!("INSERT INTO {to} SELECT t.* FROM {of} JOIN {from} t ON t.no = j.no")).await?;
    }
    Ok(new)
}

fn to_spec(new: &Stretch) -> String {
    format!("spec_{}", new.suffix)
}

/// Copies the rest and puts the new tables in the place of the partitions; answers how many jobs they hold, or nothing when
/// somebody uses what is there.
async fn change_places(db: &Transaction<'_>, stretch: &Stretch, new: &Stretch) -> Result<Option<i64>, Trouble> {
    let Span { low, high } = stretch.span;
    let (from, to) = (stretch.partitions(), new.partitions());
    if !lock(db, &format!("LOCK TABLE {} IN EXCLUSIVE MODE", from.join(", "))).await? {
        return Ok(None);
    }
    // Whatever job of the stretch is there, be it that nobody can know why.
    let rest = format!(
        "SELECT no FROM job j WHERE no >= $1 AND no < $2 AND NOT EXISTS (SELECT FROM {} n WHERE n.no = j.no)",
        to_spec(new)
    );
    let rest: Vec<i64> =
        db.query(&rest, &[&low, &high]).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for (from, to) in from.iter().zip(&to) {
        let copy =
            format!("INSERT INTO {to} SELECT t.* FROM unnest($1::bigint[]) AS j (no) JOIN {from} t ON t.no = j.no");
        db.execute(&copy, &[&rest]).await?;
    }
    let held: i64 = db.query_one(&format!("SELECT count(*) FROM {}", to_spec(new)), &[]).await?.try_get(0)?;
    if !take_tables(db).await? {
        return Ok(None);
    }
    drop_partitions(db, stretch).await?;
    for (table, to) in TABLES.iter().zip(&to) {
        db.batch_execute(&attachment(table, &new.suffix, new.span)).await?;
        db.batch_execute(&format!("ALTER TABLE {to} DROP CONSTRAINT in_{to}")).await?;
    }
    let kept = "UPDATE stretch SET suffix = $2, held = $3 WHERE low = $1";
    db.execute(kept, &[&low, &new.suffix, &held]).await?;
    Ok(Some(held))
}
