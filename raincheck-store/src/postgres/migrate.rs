//! Brings the tables to the present format, whoever else is about to.

use tokio_postgres::{Client, GenericClient};

use crate::StoreError;
use crate::postgres::error::PgError;

mod migrations {
    refinery::embed_migrations!("src/postgres/migrations");
}

/// One node at a time: the lock is held by a transaction of a second connection, and so also behind a pooler.
const LOCK: &str = "BEGIN; SELECT pg_advisory_xact_lock(8241990467022)";

/// The newest format of the data that this program knows.
pub(crate) fn known_format() -> i64 {
    let known = migrations::migrations::runner().get_migrations().iter().map(|m| i64::from(m.version())).max();
    known.unwrap_or(0)
}

/// The format of the data, 0 when it has none yet, and the newest that this program knows.
pub(crate) async fn formats(db: &impl GenericClient) -> Result<(i64, i64), PgError> {
    let there = db.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]).await?;
    let found = if there.try_get(0)? {
        db.query_one("SELECT max(version)::bigint FROM refinery_schema_history", &[]).await?.try_get(0)?
    } else {
        None
    };
    Ok((found.unwrap_or(0), known_format()))
}

pub(crate) async fn migrate(db: &mut Client, guard: &Client) -> Result<(), StoreError> {
    guard.batch_execute(LOCK).await.map_err(PgError::from)?;
    let (found, known) = formats(db).await?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    if found < known {
        let runner = migrations::migrations::runner().set_grouped(true);
        runner.run_async(db).await.map_err(|e| {
            let causes = std::iter::successors(Some(&e as &dyn std::error::Error), |e| e.source());
            let why = causes.last().map_or_else(|| e.to_string(), ToString::to_string);
            let next = if why.contains("permission denied") {
                "; let the user own the database, or GRANT CREATE ON SCHEMA public to it"
            } else {
                ""
            };
            StoreError::Other(format!("migration: {why}{next}"))
        })?;
    }
    guard.batch_execute("COMMIT").await.map_err(PgError::from)?;
    Ok(())
}
