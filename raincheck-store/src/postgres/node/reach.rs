//! Whether the database is reached, and the store takes commands.

use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::StoreError;
use crate::postgres::connection::timeouts::{LEAST, PATIENCE};
use crate::postgres::error::PgError;

/// What is known of that.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Why the store takes nothing any more.
    stopped: RwLock<Option<String>>,
    /// The database cannot be reached now.
    lost: RwLock<Option<Lost>>,
    /// This node cannot show that it lives: nothing is written, be it that reads are answered.
    mute: RwLock<Option<Lost>>,
}

/// Since when the database cannot be reached, and why.
#[derive(Debug)]
struct Lost {
    since: Instant,
    why: String,
}

impl Lost {
    fn note(lost: &RwLock<Option<Lost>>, error: &PgError) {
        let mut lost = lost.write();
        let since = lost.as_ref().map_or_else(Instant::now, |lost| lost.since);
        *lost = Some(Lost { since, why: error.why() });
    }
}

impl Reach {
    /// Whether the store takes commands.
    pub fn health(&self) -> Result<(), StoreError> {
        if let Some(why) = &*self.stopped.read() {
            return Err(StoreError::Stopped(why.clone()));
        }
        self.reached()
    }

    /// Whether the database can be reached, as far as is known.
    pub fn reached(&self) -> Result<(), StoreError> {
        match self.mute.read().as_ref().or(self.lost.read().as_ref()) {
            Some(lost) => Err(StoreError::Other(format!("the database cannot be reached: {}", lost.why))),
            None => Ok(()),
        }
    }

    /// The database cannot be reached; the writer tries until it can.
    pub fn lose(&self, error: &PgError) {
        Lost::note(&self.lost, error);
    }

    /// It does what it is asked.
    pub fn found(&self) {
        if self.lost.read().is_some() {
            *self.lost.write() = None;
        }
    }

    /// This node cannot show that it lives, until it can.
    pub fn fall_mute(&self, error: &PgError) {
        Lost::note(&self.mute, error);
    }

    /// It can.
    pub fn speak(&self) {
        *self.mute.write() = None;
    }

    /// It takes nothing any more.
    pub fn stop(&self, why: &str) {
        *self.stopped.write() = Some(why.to_owned());
    }

    /// How long a caller waits now: not as long again for what has been silent for longer already.
    pub fn patience(&self) -> Duration {
        let is_long =
            |lost: &RwLock<Option<Lost>>| lost.read().as_ref().is_some_and(|lost| lost.since.elapsed() > PATIENCE);
        if is_long(&self.lost) || is_long(&self.mute) { LEAST } else { PATIENCE }
    }
}
