//! The way to a store's data from outside: for reading, beside the servers that have it or without one.

use tokio_postgres::{Client, GenericClient};

use super::node::ALIVE;
use super::shared::{NOW, Trouble};
use super::{PostgresOptions, migrate};
use crate::StoreError;

/// The data of a store, open for reading.
pub(super) struct Visit {
    pub db: Client,
    /// Whether a server has the data.
    pub served: bool,
}

impl Visit {
    pub async fn of(options: &PostgresOptions) -> Result<Visit, StoreError> {
        let db = options.connect().await?;
        let (found, _) = migrate::formats(&db).await?;
        if found == 0 {
            return Err(StoreError::Other("the database has no jobs: no server has been started on it yet".to_owned()));
        }
        let nodes = format!("SELECT EXISTS (SELECT 1 FROM node WHERE seen_at > {NOW} - {ALIVE})");
        let served = db.query_one(&nodes, &[]).await.map_err(Trouble::from)?.try_get(0).map_err(Trouble::from)?;
        Ok(Visit { db, served })
    }
}

/// A setting of the server, as it is in force here.
pub(super) async fn setting(db: &impl GenericClient, name: &str) -> Result<String, Trouble> {
    Ok(db.query_one("SELECT current_setting($1)", &[&name]).await?.try_get(0)?)
}

/// A setting that is a number.
pub(super) async fn number(db: &impl GenericClient, name: &str) -> Result<i32, Trouble> {
    let set = setting(db, name).await?;
    set.parse().map_err(|_| Trouble::Unreadable(format!("{name} is {set}")))
}
