//! The way to a store's data from outside: for reading, beside the servers that have it or without one.

use tokio_postgres::{Client, GenericClient};

use crate::StoreError;
use crate::postgres::connection::connector::Connector;
use crate::postgres::connection::timeouts::{PATIENCE, within};
use crate::postgres::error::PgError;
use crate::postgres::migrate;
use crate::postgres::node::clock::NOW;
use crate::postgres::node::number::ALIVE;
use crate::postgres::options::PostgresOptions;

/// A server that was not seen for so long, milliseconds, has nothing in hand any more that is not written down.
const SILENT: i64 = 3_600_000;

/// The data of a store, open for reading.
pub(crate) struct ReadOnly {
    pub db: Client,
    /// The server that was found, `host:port`.
    pub place: String,
    /// Whether a server has the data.
    pub served: bool,
    /// No server has it that may only have been silent for a while.
    pub alone: bool,
}

/// Opens it. No server needs to be there, and none is disturbed.
pub(crate) async fn open_read_only(options: &PostgresOptions) -> Result<ReadOnly, StoreError> {
    let connector = Connector::new(options)?;
    let db = connector.connect().await?;
    let place = connector.anchor().server().map(|server| server.place).unwrap_or_default();
    let (found, _) = within(PATIENCE, migrate::formats(&db)).await?;
    if found == 0 {
        return Err(StoreError::Refused {
            why: "the database holds no Raincheck data".to_owned(),
            next: "is its name right? No server has been started on this one yet".to_owned(),
        });
    }
    let nodes = format!(
        "SELECT EXISTS (SELECT 1 FROM node WHERE seen_at > {NOW} - {ALIVE}), \
         NOT EXISTS (SELECT 1 FROM node WHERE seen_at > {NOW} - {SILENT})"
    );
    let row = within(PATIENCE, async { Ok(db.query_one(&nodes, &[]).await?) }).await?;
    let [served, alone] = [0, 1].map(|at| row.try_get(at).map_err(PgError::from));
    Ok(ReadOnly { db, place, served: served?, alone: alone? })
}

impl PostgresOptions {
    /// Whether there is a job in the database, for those who are about to put many there.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn holds_jobs(&self) -> Result<bool, StoreError> {
        let db = Connector::new(self)?.connect().await?;
        let there = async {
            // No server has been started on it yet.
            if migrate::formats(&db).await?.0 == 0 {
                return Ok(false);
            }
            Ok(db.query_one("SELECT EXISTS (SELECT FROM job)", &[]).await?.try_get(0)?)
        };
        Ok(within(PATIENCE, there).await?)
    }
}

/// A setting of the server, as it is in force here.
pub(crate) async fn setting(db: &impl GenericClient, name: &str) -> Result<String, PgError> {
    Ok(db.query_one("SELECT current_setting($1)", &[&name]).await?.try_get(0)?)
}

/// A setting that is a number.
pub(crate) async fn number(db: &impl GenericClient, name: &str) -> Result<i32, PgError> {
    let set = setting(db, name).await?;
    set.parse().map_err(|_| PgError::Unreadable(format!("{name} is {set}")))
}
