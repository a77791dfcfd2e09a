use std::time::{Duration, Instant};

use rusqlite::{Connection, Result};

use super::expected_files::Expected;
use crate::blobs::BlobFolder;
use crate::checkup::{CheckPage, Invariant};
use crate::rules::CIRCLE;

/// Rows looked at between two looks at the clock.
pub(crate) const BATCH: usize = 64;
/// One kind of look; it remembers how far it has come.
pub(crate) trait Stage: Send {
    /// Looks at a few rows; answers whether there are more.
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool>;
    /// What stays without a judgment when damage ends it early.
    fn judges(&self) -> &'static [Invariant];
}

/// What a stage sees with.
pub(crate) struct Look<'a> {
    pub db: &'a Connection,
    pub blobs: &'a BlobFolder,
    pub throttle: Throttle,
    /// When the piece should end.
    pub until: Instant,
    /// Files that rows of this piece refer to; looked for after the transaction.
    pub files: Vec<Expected>,
    pub page: &'a mut CheckPage,
    /// The stage can't go on: what it reads is damaged.
    pub stuck: bool,
}

impl Look<'_> {
    /// Says that rows of a table, read in the order of their keys, come again; the end of a stage.
    pub fn circle(&mut self, table: &str) -> Result<bool> {
        self.damaged(format!("{table}: {CIRCLE}"));
        Ok(false)
    }

    pub fn damaged(&mut self, detail: String) {
        self.page.found(Invariant::Database, "raincheck.db", detail);
        self.stuck = true;
    }
}

/// How long a look may keep a transaction open.
#[derive(Clone, Copy)]
pub(crate) struct Throttle {
    /// Longest time for one piece of a check.
    pub piece: Duration,
    /// Longest time for what must be seen at one moment.
    pub whole: Duration,
    /// Nobody else has the data: nothing changes meanwhile, and nobody minds.
    pub alone: bool,
    /// Files are looked for.
    pub files: bool,
    /// They are read and compared with their digests, not just measured.
    pub payloads: bool,
}
