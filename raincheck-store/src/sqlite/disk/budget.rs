//! A bound to what reading a damaged database may take: its pages can lead a statement in a circle, and a sound one needs
//! no more work than it has pages to be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, Result};

/// Steps of SQLite's machine between two looks.
const STEPS: u64 = 20_000;
/// What a page may cost, some twenty times of what the most thorough look at a full one does.
const STEPS_OF_PAGE: u64 = 200_000;
/// What a small database may cost.
const LEAST: u64 = 20_000_000;

/// Ends what a connection reads once it has taken more than the size of the database explains: SQLite then says that it
/// was interrupted.
pub(crate) struct Budget {
    whole: u64,
    left: Arc<AtomicU64>,
}

impl Budget {
    /// Bounds all that `db` reads from here on.
    pub fn of(db: &mut Connection) -> Result<Self> {
        let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let whole = pages.unsigned_abs().saturating_mul(STEPS_OF_PAGE).max(LEAST);
        let left = Arc::new(AtomicU64::new(whole));
        let counted = left.clone();
        let spent = move || {
            let left = counted.load(Ordering::Relaxed).saturating_sub(STEPS);
            counted.store(left, Ordering::Relaxed);
            left == 0
        };
        db.progress_handler(STEPS as std::ffi::c_int, Some(spent))?;
        Ok(Budget { whole, left })
    }

    /// Begins anew, for something else that is read.
    pub fn renew(&self) {
        self.left.store(self.whole, Ordering::Relaxed);
    }

    /// Bounds nothing any more.
    pub fn lift(self, db: &mut Connection) -> Result<()> {
        db.progress_handler(0, None::<fn() -> bool>)
    }
}
