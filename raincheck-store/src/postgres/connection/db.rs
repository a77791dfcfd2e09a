use std::collections::HashMap;

use parking_lot::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::link::Link;
use crate::postgres::error::PgError;

pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// So many statements that name a partition are kept prepared, each about as long as its partition is worked in.
pub(crate) const KEPT: usize = 64;

/// A connection with the statements that were prepared on it.
pub(crate) struct Db {
    client: Link,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Those that name a partition of job numbers: of every partition others.
    of_partitions: Mutex<HashMap<String, Statement>>,
}

impl Db {
    pub fn new(client: Link) -> Self {
        Db { client, statements: Mutex::default(), of_partitions: Mutex::default() }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Cuts the connection, and has the database stop what it was asked.
    pub fn withdraw(self) {
        self.client.withdraw();
    }

    /// Commits; waits for the standbys that the database waits for, and does not believe a wait that somebody cut short.
    pub async fn commit(&self) -> Result<(), PgError> {
        self.client.was_warned();
        self.run("COMMIT").await?;
        if self.client.was_warned() { Err(PgError::CutShort) } else { Ok(()) }
    }

    /// Runs statements without parameters.
    pub async fn run(&self, sql: &str) -> Result<(), PgError> {
        Ok(self.client.batch_execute(sql).await?)
    }

    pub async fn query(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>, PgError> {
        let statement = self.statement(sql).await?;
        Ok(self.client.query(&statement, parameters).await?)
    }

    /// Carries out a statement that names a partition of job numbers.
    pub async fn query_within(&self, sql: String, parameters: Parameters<'_>) -> Result<Vec<Row>, PgError> {
        let statement = self.of_partition(sql).await?;
        Ok(self.client.query(&statement, parameters).await?)
    }

    /// The same; answers how many rows were written.
    pub async fn execute_within(&self, sql: String, parameters: Parameters<'_>) -> Result<u64, PgError> {
        let statement = self.of_partition(sql).await?;
        Ok(self.client.execute(&statement, parameters).await?)
    }

    async fn of_partition(&self, sql: String) -> Result<Statement, PgError> {
        if let Some(statement) = self.of_partitions.lock().get(&sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&sql).await?;
        let mut kept = self.of_partitions.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Answers how many rows were written.
    pub async fn execute(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<u64, PgError> {
        let statement = self.statement(sql).await?;
        Ok(self.client.execute(&statement, parameters).await?)
    }

    /// Sees to it that these are prepared, so that what is sent after them does not overtake them.
    pub async fn prepare(&self, all: &[&'static str]) -> Result<(), PgError> {
        for sql in all {
            self.statement(sql).await?;
        }
        Ok(())
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, PgError> {
        if let Some(statement) = self.statements.lock().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().insert(sql, statement.clone());
        Ok(statement)
    }
}
