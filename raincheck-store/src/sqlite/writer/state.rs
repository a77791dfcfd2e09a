//! What the one thread that writes has in hand.

use std::sync::Arc;

use raincheck_core::decide::Moment;
use raincheck_core::interpreter::FollowUps;
use raincheck_core::{ChunkKind, Command, Event, FeedRetention, IdMint, Job, JobNo, LeaseRef, Millis, Name};
use rand::rngs::StdRng;
use rusqlite::{Connection, OptionalExtension};

use super::counters::Counters;
use super::prepared::Statements;
use super::reply_sender::{Caller, ReplySender};
use super::running::Running;
use crate::sqlite::error::Result;
use crate::sqlite::shared::Shared;
use crate::sqlite::tables::rows;

/// Commands of one caller and the way back to it.
pub(crate) struct Request {
    pub commands: Vec<Command>,
    /// Where its replies go.
    pub answer: Caller,
}

/// Bounds from the options that the store was opened with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most waiting jobs of a queue that says nothing else.
    pub max_queued: u64,
    /// Most waiting jobs in all.
    pub max_in_all: u64,
    /// How long a purged job is remembered, milliseconds.
    pub tombstone: Millis,
    /// How much of the feed stays when its jobs are purged.
    pub feed: FeedRetention,
}

/// What becomes of a lease once the transaction is on disk.
pub(crate) enum LeaseChange {
    /// A run of this job begins, at this worker.
    Start(Box<Job>, Box<str>),
    /// It is handed over, to last so many milliseconds from then on.
    Extend(LeaseRef, Millis),
    /// Its next heartbeat says that it was called off.
    AskToStop(LeaseRef),
    /// The run is over.
    End(LeaseRef),
}

/// The one thread that writes. It drains its channel into one transaction, so that everyone who waits shares one
/// fsync; nobody waits for a batch to fill.
pub(crate) struct WriterState<'c> {
    pub db: &'c Connection,
    pub statements: Statements<'c>,
    /// Running jobs as they were last written, this transaction included.
    pub running: Running,
    pub shared: Arc<Shared>,
    /// Counts of jobs and the settings of queues, this transaction included.
    pub counters: Counters,
    /// Gives ids to new jobs.
    pub mint: IdMint,
    /// From the seed of the options, or the system's.
    pub rng: StdRng,
    /// The latest time that a rule was called with, milliseconds since 1970; never goes back. At first of the newest job.
    pub tick: Millis,
    pub bounds: Bounds,
    /// Of the last event that was written, in this transaction or before.
    pub cursor: i64,
    /// Events of this transaction, to be published with it.
    pub events: Vec<Event>,
    /// Streams and logs that grew in this transaction, to be published with it.
    pub chunks: Vec<(JobNo, ChunkKind)>,
    /// Changes of leases in this transaction, to be made when it is on disk.
    pub leases: Vec<LeaseChange>,
    /// What follows from the decisions of this transaction.
    pub follow_ups: FollowUps,
    /// Inputs that were handed out in this transaction, bytes.
    pub inputs: usize,
    /// Pages the log had when a reader was last in the way of beginning it anew.
    pub log_held: i64,
    /// A sweep took what was due next: look for the next after it.
    pub swept: bool,
    /// Queues that were forgotten in this transaction.
    pub forgotten: Vec<Name>,
    /// Names of queues or kinds were forgotten in this transaction.
    pub forgot: bool,
    /// When a look for names to forget last found none, in ticks of the clock; `None` when something was given up since.
    pub found_none: Option<Millis>,
    pub replies: ReplySender,
}

impl WriterState<'_> {
    /// The job as it is by now, this transaction included.
    pub(super) fn job(&mut self, no: JobNo) -> Result<Option<Job>> {
        if let Some(job) = self.running.get(no) {
            return Ok(Some(job.clone()));
        }
        let names = &self.shared.names;
        self.statements.job.get()?.query_row([no.0], |row| Ok(rows::job(row, names))).optional()?.transpose()
    }

    /// Calls a rule with the time and randomness of this moment.
    pub(super) fn decide<T>(&mut self, rule: impl FnOnce(&mut Moment<'_>) -> T) -> T {
        rule(&mut self.moment().0)
    }

    pub(super) fn moment(&mut self) -> (Moment<'_>, &mut IdMint) {
        let now = self.shared.clock.now();
        self.tick = self.tick.max(now.0);
        let follow = self.follow_ups.rule();
        (Moment { now, tick: self.tick, rng: &mut self.rng, follow }, &mut self.mint)
    }
}
