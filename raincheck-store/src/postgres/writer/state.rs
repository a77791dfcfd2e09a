use std::collections::HashMap;

use parking_lot::Mutex;
use raincheck_core::interpreter::Following;
use raincheck_core::{FeedRetention, IdMint, Millis};
use rand::rngs::StdRng;
use uuid::Uuid;

use super::scan_start::ScanStarts;
use crate::postgres::locks::NODE_LOCK;

/// Every plan is one that holds at any size: a statement that was planned while its tables were empty goes on to be
/// used when they are not. Local to the transaction, so that it means the same behind a pooler.
///
/// No limit for statements: one that ran out during the commit would end the wait for a standby, and count as done.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL plan_cache_mode = force_generic_plan; \
    SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
    SET LOCAL jit = off; SET LOCAL lock_timeout = '4s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
    SELECT pg_advisory_xact_lock_shared(8241990467025)";

/// What the writer keeps from one transaction to the next.
pub(crate) struct WriterState {
    /// Makes numbers and ids of jobs, in the lane of this node.
    pub mint: IdMint,
    /// The number of this node that the mint goes by, and its token.
    pub identity: (i32, Uuid),
    /// The history that was seen last, by its first cursor.
    pub history: i64,
    /// The statements that its transactions begin with.
    pub begin: String,
    /// The randomness of all decisions, from the system or from a seed.
    pub rng: StdRng,
    /// The latest time that was decided at, milliseconds: job numbers never go back.
    pub tick: Millis,
    pub bounds: Bounds,
    /// Where rows of counters lie (`ctid`), as of the last time that they were written: by queue, kind and state.
    pub counter_places: Mutex<HashMap<(i32, i32, i16), String>>,
    /// Where scans for jobs begin.
    pub scan_starts: ScanStarts,
    /// When there was last no name that could be forgotten, in ticks, unless this node gave up something since.
    pub found_no_name: Option<Millis>,
}

impl WriterState {
    /// Goes by another number and token, and forgets what was seen in another history, where these are others.
    pub fn go_by(&mut self, identity: (i32, Uuid), history: i64) {
        if self.history != history {
            self.history = history;
            self.counter_places.lock().clear();
            self.scan_starts.forget();
            self.found_no_name = None;
        }
        if self.identity != identity {
            self.identity = identity;
            self.begin = begin(identity.0);
            self.mint.change_to(identity.0.unsigned_abs());
        }
    }
}

/// Bounds the writer checks submits against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most waiting jobs of a queue that says nothing else, from the configuration.
    pub max_queued: u64,
    /// Most waiting jobs in all, from the configuration.
    pub max_in_all: u64,
    /// How long purged jobs are remembered, milliseconds.
    pub tombstone: Millis,
    /// How much of the feed stays when its jobs are forgotten.
    pub feed: FeedRetention,
    /// How many follow-ups one transaction takes.
    pub following: Following,
}

/// How a transaction of a node begins.
pub(crate) fn begin(number: i32) -> String {
    format!("{BEGIN}, pg_advisory_xact_lock_shared({NODE_LOCK}, {number})")
}
