use std::time::Instant;

use raincheck_core::JobNo;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::StoreError;
use crate::postgres::connection::loan::Loan;
use crate::postgres::connection::pool::Object;
use crate::postgres::connection::timeouts::{PAUSE, answered};
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;

impl Shared {
    /// Carries out a read, or anything else that may be done twice; on other connections, and for a while, when one turned
    /// out to be lost, as at a restart of the database.
    pub async fn read<T, F>(&self, work: impl Fn(Loan) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, PgError>>,
    {
        self.asked();
        let until = Instant::now() + self.reach.patience();
        loop {
            let attempt = async { work(self.reader(until).await?).await };
            match answered(until, attempt).await {
                Err(error) if error.is_loss() && Instant::now() + PAUSE < until => tokio::time::sleep(PAUSE).await,
                done => return Ok(done?),
            }
        }
    }

    /// A connection for reading, given up then; statements are prepared with `prepare_cached`.
    pub async fn reader(&self, until: Instant) -> Result<Loan, PgError> {
        let object = answered(until, async { Ok(self.pool.get().await?) }).await?;
        Ok(Loan::new(object, until, &self.doubts, &self.tls))
    }
}

/// A row of a statement about one job, which names the partition of its number.
pub(crate) async fn row_within(
    db: &Object,
    shared: &Shared,
    sql: &str,
    no: JobNo,
    with: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>, PgError> {
    row(db, &shared.partitions.around(no).put_into(sql), with).await
}

/// So many statements are kept prepared on one connection; those that name a partition of job numbers come and go.
const KEPT: usize = 256;

/// A statement that is kept prepared.
async fn prepared(db: &Object, sql: &str) -> Result<Statement, PgError> {
    if db.statement_cache.size() > KEPT {
        db.statement_cache.clear();
    }
    Ok(db.prepare_cached(sql).await?)
}

/// The rows of a statement that is kept prepared.
pub(crate) async fn rows(db: &Object, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
    let statement = prepared(db, sql).await?;
    Ok(db.query(&statement, with).await?)
}

/// Its row, if there is one.
pub(crate) async fn row(db: &Object, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, PgError> {
    let statement = prepared(db, sql).await?;
    Ok(db.query_opt(&statement, with).await?)
}

impl PgError {
    /// What the server calls it.
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            PgError::Database(error) => error.code(),
            _ => None,
        }
    }
}
