use super::epoch::CURRENT;
use super::meet::begin;
use crate::StoreError;
use crate::postgres::connection::timeouts::{PATIENCE, within};
use crate::postgres::error::PgError;
use crate::postgres::node::clock::Time;
use crate::postgres::options::PostgresOptions;
use crate::postgres::read_only::open_read_only;

/// What a database goes on with that was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anew {
    /// Which history of the data it is, from 1.
    pub history: u64,
    /// When the last event of the copy was, in UTC. What was given out later means nothing.
    pub last_event: Option<String>,
    /// Leases that the copy has, which go on.
    pub leases: u64,
}

const WHAT: &str = "SELECT (SELECT count(*) FROM history), (SELECT count(*) FROM lease), \
    (SELECT to_char(to_timestamp(max(at) / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM event \
    WHERE batch = (SELECT batch FROM feed WHERE last >= first ORDER BY pos DESC LIMIT 1))";

impl PostgresOptions {
    /// Says that the database was put back, where a server could not tell: it goes on with another history, in which
    /// cursors and leases that were given out after the copy was made mean nothing.
    ///
    /// # Errors
    /// [`StoreError::Other`] when the database cannot be reached, holds no data or does not do it.
    pub async fn begin_anew(&self) -> Result<Anew, StoreError> {
        // One that holds nothing is not the one that is meant: no tables are made there.
        open_read_only(self).await?;
        let db = self.prepare().await?;
        let current = async { Ok(db.query_one(&format!("SELECT {CURRENT}"), &[]).await?.try_get(0)?) };
        let current = within(PATIENCE, current).await?;
        within(2 * PATIENCE, begin(&db, Time::Database, Some(current))).await?;
        let what = async {
            let row = db.query_one(WHAT, &[]).await?;
            let (history, leases): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let last_event = row.try_get(2)?;
            Ok::<_, PgError>(Anew { history: history.unsigned_abs(), last_event, leases: leases.unsigned_abs() })
        };
        Ok(within(PATIENCE, what).await?)
    }
}
