//! One kind of look, and what it sees with.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use raincheck_core::Digest;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};

use crate::Blobs;
use crate::checkup::CheckPage;
use crate::postgres::error::PgError;

pub(super) type Result<T> = std::result::Result<T, PgError>;

/// Rows looked at between two looks at the clock.
pub(super) const BATCH: usize = 256;

/// One kind of look; it remembers how far it has come.
#[async_trait]
pub(super) trait Stage: Send {
    /// Looks at a few rows; answers whether there are more.
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool>;
}

/// What a stage sees with.
pub(super) struct Look<'a> {
    pub db: &'a Transaction<'a>,
    pub blobs: &'a Blobs,
    pub throttle: Throttle,
    /// When the piece should end.
    pub until: Instant,
    /// Files that rows of this piece refer to; looked for after the transaction.
    pub files: Vec<Expected>,
    pub page: &'a mut CheckPage,
}

impl Look<'_> {
    pub async fn rows(&self, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        Ok(self.db.query(sql, with).await?)
    }
}

/// How long a look may keep a transaction open.
#[derive(Clone, Copy)]
pub(super) struct Throttle {
    /// Longest time for one piece of a check.
    pub piece: Duration,
    /// Longest time for what must be seen at one moment.
    pub whole: Duration,
    /// Nobody else has the data: nothing changes meanwhile.
    pub alone: bool,
    /// Files are looked for.
    pub files: bool,
    /// They are read and compared with their digests, not just measured.
    pub payloads: bool,
}

/// A file that a row refers to.
pub(super) struct Expected {
    pub no: i64,
    pub subject: Box<str>,
    pub name: Box<str>,
    pub size: i64,
    pub digest: Option<Digest>,
    pub table: &'static str,
}
