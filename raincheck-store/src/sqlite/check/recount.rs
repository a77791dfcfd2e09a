//! Kept counters beside a recount, both of one moment.

use std::time::Instant;

use rusqlite::{Connection, Result};

use super::stage::{Look, Stage};
use crate::checkup::Invariant;

/// Rows counted between two looks at the clock.
pub(crate) const ROWS: usize = 4_096;

/// What is kept, and may be counted again.
pub(crate) trait Recount: Default + Send {
    /// What is counted.
    const OF: &'static str;

    /// Reads what is kept.
    fn begin(&mut self, db: &Connection) -> Result<()>;

    /// Counts at most [`ROWS`] more; answers how many there were, or `None` when they come again.
    fn count(&mut self, db: &Connection) -> Result<Option<usize>>;

    /// All is counted.
    fn compare(&self, look: &mut Look<'_>) -> Result<()>;
}

/// A recount under way. One transaction sees one moment; when there is too much for one, the next goes on counting only if
/// nothing was written since.
#[derive(Default)]
pub(crate) struct Recounting<R> {
    /// SQLite's `data_version` in the last transaction; `None` before the first one.
    version: Option<i64>,
    recount: R,
}

impl<R: Recount> Stage for Recounting<R> {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        if self.version.is_none() {
            self.recount.begin(look.db)?;
        }
        let now = look.db.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if self.version.replace(now).is_some_and(|before| before != now) {
            let why = "it changed while it was counted; a backup can be judged";
            look.page.unjudged.push((Invariant::Counters, why.into()));
            return Ok(false);
        }
        let until = look.until.max(Instant::now() + look.throttle.whole);
        loop {
            let Some(count) = self.recount.count(look.db)? else { return look.circle(R::OF) };
            look.page.examined += count as u64;
            if count < ROWS {
                self.recount.compare(look)?;
                return Ok(false);
            }
            if Instant::now() >= until {
                // Ends the piece, too: what was to be one moment is over.
                look.until = Instant::now();
                return Ok(true);
            }
        }
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Counters]
    }
}
