use std::time::Instant;

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::shared::{Shared, Trouble};
use super::writer::{PATIENCE, PAUSE};
use crate::StoreError;

impl Shared {
    /// Carries out a read, or anything else that may be done twice; on other connections, and for a while, when one turned
    /// out to be lost, as at a restart of the database.
    pub async fn read<T, F>(&self, work: impl Fn(Object) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        self.asked();
        let begin = Instant::now();
        loop {
            let attempt = async { work(self.reader().await?).await };
            match attempt.await {
                Err(trouble) if trouble.is_loss() && begin.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                done => return Ok(done?),
            }
        }
    }
}

/// The rows of a statement that is kept prepared.
pub(super) async fn rows(db: &Object, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Trouble> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query(&statement, with).await?)
}

/// Its row, if there is one.
pub(super) async fn row(db: &Object, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, Trouble> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query_opt(&statement, with).await?)
}

impl Trouble {
    /// What the server calls it.
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            Trouble::Database(error) => error.code(),
            _ => None,
        }
    }
}
