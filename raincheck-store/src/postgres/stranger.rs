//! Somebody else in the database, for those who measure what that does to it: a transaction that stays open, and how
//! large the tables are.

use tokio_postgres::{Client, Row};

use crate::StoreError;
use crate::postgres::error::PgError;
use crate::postgres::options::PostgresOptions;
use crate::postgres::read_only::open_read_only;

/// It reads only, and still PostgreSQL may throw away nothing that it could see, in no table: it has a snapshot, and a
/// number that all later ones wait for who wait for older ones.
const HOLD: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id(); SELECT count(*) FROM job";
/// Partitions count as their table. Live and dead rows are what the database's own statistics say.
const TABLES: &str = "SELECT coalesce(whole.relname, part.relname)::text, \
        coalesce(sum(pg_total_relation_size(part.oid)), 0)::bigint, \
        coalesce(sum(pg_stat_get_live_tuples(part.oid)), 0)::bigint, \
        coalesce(sum(pg_stat_get_dead_tuples(part.oid)), 0)::bigint \
    FROM pg_class part LEFT JOIN pg_inherits ON inhrelid = part.oid LEFT JOIN pg_class whole ON whole.oid = inhparent \
    WHERE part.relkind = 'r' AND part.relnamespace = current_schema()::regnamespace \
    GROUP BY 1 ORDER BY 1";

/// How large a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// What it is called.
    pub name: String,
    /// With its indexes and all of its partitions.
    pub bytes: u64,
    /// Rows that are there, about.
    pub live: u64,
    /// Rows that nobody needs any more and that still take their place, about.
    pub dead: u64,
}

/// A connection beside the servers.
pub struct Stranger(Client);

impl Stranger {
    /// Connects to the database of `options`.
    ///
    /// # Errors
    /// When it cannot be reached, or no server has been started on it yet.
    pub async fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        Ok(Self(open_read_only(options).await?.db))
    }

    /// Begins a transaction that keeps everything that is there now from being cleaned up, until [`Stranger::roll_back`] or
    /// until this is dropped.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn hold(&self) -> Result<(), StoreError> {
        Ok(self.0.batch_execute(HOLD).await.map_err(PgError::from)?)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it has not lasted until now: the connection is gone, or the database has ended it.
    pub async fn roll_back(&self) -> Result<(), StoreError> {
        // Outside of a transaction a ROLLBACK by itself is no error; this needs the one that has its number.
        let held = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL";
        let held: bool = self.0.query_one(held, &[]).await.and_then(|row| row.try_get(0)).map_err(PgError::from)?;
        if !held {
            return Err(StoreError::Other("the transaction was not open any more".to_owned()));
        }
        Ok(self.0.batch_execute("ROLLBACK").await.map_err(PgError::from)?)
    }

    /// Transactions of the whole database so far, this one's and those of other strangers included. PostgreSQL counts those
    /// of a connection that has gone idle up to ten seconds late.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn transactions(&self) -> Result<u64, StoreError> {
        let count = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        let count: i64 = self.0.query_one(count, &[]).await.and_then(|row| row.try_get(0)).map_err(PgError::from)?;
        Ok(count.unsigned_abs())
    }

    /// All tables by name.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn tables(&self) -> Result<Vec<TableSize>, StoreError> {
        let rows = self.0.query(TABLES, &[]).await.map_err(PgError::from)?;
        Ok(rows.iter().map(table).collect::<Result<_, _>>().map_err(PgError::from)?)
    }
}

fn table(row: &Row) -> Result<TableSize, tokio_postgres::Error> {
    let number = |place| row.try_get::<_, i64>(place).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(TableSize { name: row.try_get(0)?, bytes: number(1)?, live: number(2)?, dead: number(3)? })
}
