//! What each actor of a load has.

use std::sync::Arc;

use rand::rngs::StdRng;
use tokio::sync::watch;

use crate::http::{Answer, Http};
use crate::log::Log;

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Phase {
    /// Everything is sent.
    Load,
    /// Nothing new is sent; what was sent is brought to its end.
    Drain,
    /// All is done.
    Over,
}

/// How much of what.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Clients that submit, one request at a time each.
    pub submitters: u64,
    /// Workers.
    pub workers: u64,
    /// Readers of the whole feed.
    pub feed_readers: u64,
    /// Readers of single jobs.
    pub job_readers: u64,
    /// Clients that cancel.
    pub cancelers: u64,
    /// Of a thousand submits, how many are 300 KB that are kept in a file.
    pub files: u32,
    /// Whether a submit that a server is not there for now is sent again until it is answered, as the API asks for.
    pub patient: bool,
    /// Whether the database is away for longer than callers are kept waiting: looks may be answered 503 then.
    pub stalls: bool,
}

impl Default for Mix {
    fn default() -> Self {
        let (submitters, workers, feed_readers, job_readers, cancelers, files) = (12, 4, 2, 2, 1, 20);
        Self { submitters, workers, feed_readers, job_readers, cancelers, files, patient: false, stalls: false }
    }
}

/// What every actor has.
pub struct Actor {
    pub http: Http,
    pub log: Arc<Log>,
    pub phase: watch::Receiver<Phase>,
    pub rng: StdRng,
    pub mix: Mix,
    /// Which of its sort.
    pub number: u64,
}

impl Actor {
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether a look was turned away because the database is not there for now.
    pub fn is_turned_away(&self, answer: &Answer) -> bool {
        self.mix.stalls && answer.status == 503
    }
}
