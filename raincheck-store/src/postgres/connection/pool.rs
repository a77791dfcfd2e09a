//! The connections for reading.

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;

use super::anchor::Use;
use super::connector::Connector;
use crate::postgres::error::Trouble;

pub(crate) type Pool = managed::Pool<Readers>;
pub(crate) type Object = managed::Object<Readers>;

/// Makes them.
pub(crate) struct Readers(pub Connector);

impl managed::Manager for Readers {
    type Type = ClientWrapper;
    type Error = Trouble;

    async fn create(&self) -> Result<ClientWrapper, Trouble> {
        let (client, driver) = self.0.open(Use::Work, None).await?;
        Ok(ClientWrapper::new(client, driver.task.detach()))
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> RecycleResult<Trouble> {
        if client.is_closed() { Err(RecycleError::message("it has ended")) } else { Ok(()) }
    }
}

impl From<managed::PoolError<Trouble>> for Trouble {
    fn from(error: managed::PoolError<Trouble>) -> Self {
        match error {
            managed::PoolError::Backend(trouble) => trouble,
            managed::PoolError::Timeout(managed::TimeoutType::Wait) => {
                Trouble::Unreachable("every connection for reading is in use".to_owned())
            }
            managed::PoolError::Timeout(_) => Trouble::Silent,
            managed::PoolError::Closed => Trouble::Unreachable("the store is closed".to_owned()),
            other => Trouble::Unreachable(other.to_string()),
        }
    }
}
