//! The connections for reading.

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;

use super::anchor::Use;
use super::connector::Connector;
use crate::postgres::error::PgError;

pub(crate) type Pool = managed::Pool<Readers>;
pub(crate) type Object = managed::Object<Readers>;

/// Makes them.
pub(crate) struct Readers(pub Connector);

impl managed::Manager for Readers {
    type Type = ClientWrapper;
    type Error = PgError;

    async fn create(&self) -> Result<ClientWrapper, PgError> {
        let (client, driver) = self.0.open(Use::Work, None).await?;
        Ok(ClientWrapper::new(client, driver.task.detach()))
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> RecycleResult<PgError> {
        if client.is_closed() { Err(RecycleError::message("it has ended")) } else { Ok(()) }
    }
}

impl From<managed::PoolError<PgError>> for PgError {
    fn from(error: managed::PoolError<PgError>) -> Self {
        match error {
            managed::PoolError::Backend(error) => error,
            managed::PoolError::Timeout(managed::TimeoutType::Wait) => {
                PgError::Unreachable("every connection for reading is in use".to_owned())
            }
            managed::PoolError::Timeout(_) => PgError::Silent,
            managed::PoolError::Closed => PgError::Unreachable("the store is closed".to_owned()),
            other => PgError::Unreachable(other.to_string()),
        }
    }
}
