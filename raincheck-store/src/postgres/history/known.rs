use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use raincheck_core::Cursor;

use super::epoch::Epoch;
use super::missing::Missing;
use crate::postgres::error::PgError;

/// The history that this node goes by.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub current: AtomicI64,
    pub timeline: AtomicI32,
    pub epochs: Mutex<Vec<Epoch>>,
    /// One look at a time.
    pub meeting: tokio::sync::Mutex<()>,
    pub changes: AtomicU64,
    pub missing: Missing,
    /// The server, timeline and history that were published last, in the log.
    pub published: Mutex<Option<(String, i32, i64)>>,
}

impl History {
    /// Of the server; another one after each promotion.
    pub fn timeline(&self) -> i32 {
        self.timeline.load(Ordering::Acquire)
    }

    /// The one that is gone by, by its first cursor.
    pub fn current(&self) -> i64 {
        self.current.load(Ordering::Acquire)
    }

    /// Refuses an answer out of another one, or of a standby: its first cursor and the timeline.
    pub fn admit(&self, current: i64, timeline: i32) -> Result<(), PgError> {
        if timeline == 0 {
            return Err(PgError::Standby);
        }
        let is_known = current == self.current() && timeline == self.timeline.load(Ordering::Acquire);
        if is_known { Ok(()) } else { Err(PgError::OtherHistory) }
    }

    /// How many the data has had.
    pub fn count(&self) -> u64 {
        self.epochs.lock().len() as u64
    }

    /// Between the end of each history and the beginning of the next one.
    pub fn gaps(&self) -> Vec<(Cursor, Cursor)> {
        self.epochs.lock().iter().map(|epoch| (Cursor(epoch.before.last), Cursor(epoch.first - 1))).collect()
    }

    /// How often the database came back without what this node knew of.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Events that this node knew of and that are not there, as far as they can be counted.
    pub fn missing(&self) -> u64 {
        self.missing.count()
    }
}
