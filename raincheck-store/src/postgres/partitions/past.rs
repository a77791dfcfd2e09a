//! A partition that is over, and the locks under which it is taken away.

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::known::Span;
use crate::postgres::error::PgError;
use crate::postgres::locks::WRITERS_LOCK;

/// One node at a time takes partitions away; and these are as they were read.
const ALONE: &str = "SELECT pg_try_advisory_xact_lock(8241990467024) \
    AND EXISTS (SELECT FROM partition WHERE low = $1 AND suffix IS NOT DISTINCT FROM $2 AND events = $3)";
/// How long a lock that others wait behind is waited for, and all of them together.
const PATIENCE: &str = "SET LOCAL lock_timeout = '50ms'; SET LOCAL statement_timeout = '150ms'";

/// A partition that is over.
pub(crate) struct PastPartition {
    pub span: Span,
    /// Of the partitions of what goes with jobs; `None` when those are gone.
    pub suffix: Option<String>,
    /// Of the partition of events.
    pub events: String,
    /// About how many jobs had rows in it, if that is known.
    pub held: Option<i64>,
}

/// What became of one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// There is nothing to do.
    Stays,
    /// Somebody uses a table.
    InUse,
}

/// Whether no other node takes partitions away, until the transaction ends.
pub(crate) async fn alone(db: &Transaction<'_>, partition: &PastPartition) -> Result<bool, PgError> {
    let these: &[&(dyn ToSql + Sync)] = &[&partition.span.low, &partition.suffix, &partition.events];
    // Two statements: what the one that gets the lock sees may be older than that. So the first one must have got it.
    Ok(db.query_one(ALONE, these).await?.try_get(0)? && db.query_one(ALONE, these).await?.try_get(0)?)
}

/// Locks the tables against everybody; answers whether that was possible at once.
pub(crate) async fn take_tables(db: &Transaction<'_>, tables: &[&str]) -> Result<bool, PgError> {
    let tables = tables.iter().map(|table| format!("ONLY {table}")).collect::<Vec<_>>().join(", ");
    // Writers first, so that none of them has one table and waits for another.
    lock(db, &format!("SELECT pg_advisory_xact_lock({WRITERS_LOCK}); LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"))
        .await
}

/// Carries out a statement that waits for locks, shortly; answers whether they were had. If they were not, what can be
/// done with the transaction is to roll it back.
pub(crate) async fn lock(db: &Transaction<'_>, sql: &str) -> Result<bool, PgError> {
    match db.batch_execute(&format!("{PATIENCE}; {sql}; SET LOCAL statement_timeout = 0")).await {
        Ok(()) => Ok(true),
        Err(error) => match error.code() {
            Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::QUERY_CANCELED | &SqlState::T_R_DEADLOCK_DETECTED) => {
                Ok(false)
            }
            _ => Err(error.into()),
        },
    }
}

/// What a partition's own tables are called, of those that are cut.
pub(crate) fn table_names(tables: &[&str], suffix: &str) -> Vec<String> {
    tables.iter().map(|table| format!("{table}_{suffix}")).collect()
}

pub(crate) async fn drop_tables(db: &Transaction<'_>, tables: &[String]) -> Result<(), PgError> {
    Ok(db.batch_execute(&format!("DROP TABLE {}", tables.join(", "))).await?)
}
