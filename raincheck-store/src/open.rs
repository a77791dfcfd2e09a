//! Whichever store an address names.

use std::sync::Arc;

use raincheck_core::Clock;

use crate::{
    Checkup, PostgresDoctor, PostgresOptions, PostgresStore, SqliteDoctor, SqliteOptions, SqliteStore, Store,
    StoreError,
};

/// How to open a store: one arm for each there is.
#[derive(Clone)]
pub enum StoreOptions {
    /// A file on this machine.
    Sqlite(SqliteOptions),
    /// A server that several nodes share.
    Postgres(PostgresOptions),
}

impl StoreOptions {
    /// The node's own clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        match self {
            StoreOptions::Sqlite(options) => options.clock.clone(),
            StoreOptions::Postgres(options) => options.clock.clone(),
        }
    }
}

/// Opens it, bringing its data to the present format.
///
/// # Errors
/// As [`SqliteStore::open`] and [`PostgresStore::open`].
pub async fn open(options: StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
    match options {
        StoreOptions::Sqlite(options) => {
            // It reads and writes files, and may have a log to fold in.
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(options)).await;
            Ok(opened.map_err(|error| StoreError::Other(error.to_string()))??)
        }
        StoreOptions::Postgres(options) => Ok(PostgresStore::open(options).await?),
    }
}

/// Looks at its data from outside, beside the server that has it or without one, and answers whether one has. A `quick`
/// look does not read large payloads.
///
/// # Errors
/// As [`SqliteDoctor::open`] and [`PostgresDoctor::open`].
pub async fn doctor(options: &StoreOptions, quick: bool) -> Result<(Box<dyn Checkup>, bool), StoreError> {
    match options {
        StoreOptions::Sqlite(options) => {
            let doctor = SqliteDoctor::open(options, quick)?;
            let served = doctor.is_served();
            Ok((Box::new(doctor), served))
        }
        StoreOptions::Postgres(options) => {
            let doctor = PostgresDoctor::open(options, quick).await?;
            let served = doctor.is_served();
            Ok((Box::new(doctor), served))
        }
    }
}
