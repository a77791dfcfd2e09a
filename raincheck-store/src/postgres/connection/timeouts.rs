//! How long anybody waits for a database that does not answer. A connection to one that has stopped stays open, and the
//! other end goes on acknowledging: only whoever waits can tell.

use std::time::{Duration, Instant};

use crate::postgres::error::PgError;

/// How long callers wait for a database that cannot be reached, or for an answer of it that was lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long they wait at least, and when it has been silent for longer than [`PATIENCE`] already.
pub(crate) const LEAST: Duration = Duration::from_secs(1);
/// Between two tries to reach the database.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Waits for an answer of the database until then.
pub(crate) async fn answered<T>(until: Instant, work: impl Future<Output = Result<T, PgError>>) -> Result<T, PgError> {
    tokio::time::timeout_at(until.into(), work).await.unwrap_or(Err(PgError::Silent))
}

/// Waits for an answer of the database for so long.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, PgError>>) -> Result<T, PgError> {
    answered(Instant::now() + limit, work).await
}
