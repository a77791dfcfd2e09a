use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64};

use parking_lot::{Mutex, RwLock};
use raincheck_core::{Clock, Millis, Name};
use tokio::sync::Notify;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

use crate::blobs::Blobs;
use crate::commit_times::CommitClock;
use crate::leases::Leases;
use crate::postgres::connection::anchor::Anchor;
use crate::postgres::connection::encryption::Encryption;
use crate::postgres::connection::loan::Doubts;
use crate::postgres::connection::pool::Pool;
use crate::postgres::error::PgError;
use crate::postgres::feed::hints::Hints;
use crate::postgres::feed::order::Feed;
use crate::postgres::history::known::History;
use crate::postgres::node::clock::{DecidingClock, Time};
use crate::postgres::node::reach::Reach;
use crate::postgres::node::stale::Stale;
use crate::postgres::partitions::known::Partitions;
use crate::postgres::tables::counters::Counters;
use crate::postgres::tables::names::KnownNames;

/// Means "nothing to do" in the times below.
pub(crate) const NEVER: i64 = i64::MAX;

/// What the writer, the tailer and the readers share.
pub(crate) struct Shared {
    pub pool: Pool,
    pub doubts: Doubts,
    pub tls: Encryption,
    pub anchor: Arc<Anchor>,
    pub clock: DecidingClock,
    pub reach: Reach,
    /// Number of this node among those that serve the data.
    pub node: AtomicI32,
    /// Proves that this number is its own.
    pub token: Mutex<Uuid>,
    /// One look at a time for another number.
    pub taking: tokio::sync::Mutex<()>,
    /// Leases seem to be over, and nobody could have renewed them: let that be seen to.
    pub unheard: Notify,
    pub names: KnownNames,
    /// What is known of running leases without asking the database; it alone decides.
    pub leases: Mutex<Leases>,
    pub counters: RwLock<Counters>,
    pub kind_caps: RwLock<HashMap<Name, u32>>,
    pub history: History,
    pub feed: Feed,
    pub hints: Hints,
    /// Set by the tailer where other nodes changed something: the writer should look again.
    pub stale: Stale,
    pub partitions: Partitions,
    /// Something was forgotten: partitions should be looked after.
    pub maintenance_due: Notify,
    pub next_due: AtomicI64,
    /// See [`crate::Store::is_left_over`].
    pub left_over: AtomicBool,
    pub next_retirement: AtomicI64,
    pub refused_writes: AtomicU64,
    pub commit_clock: CommitClock,
    /// When, on the clock of leases, the database was reached again after it could not be: no lease ends before its
    /// length has passed since, for the silence was not the worker's fault.
    pub regained: AtomicI64,
    pub blobs: Blobs,
    pub secret: [u8; 32],
}

impl Shared {
    pub fn new(
        (pool, doubts, tls, anchor): (Pool, Doubts, Encryption, Arc<Anchor>),
        (clock, time): (Arc<dyn Clock>, Time),
        blobs: Blobs,
        secret: [u8; 32],
        partition: Millis,
    ) -> Self {
        Shared {
            pool,
            doubts,
            tls,
            anchor,
            clock: DecidingClock::new(clock, time),
            reach: Reach::default(),
            node: AtomicI32::new(0),
            token: Mutex::default(),
            taking: tokio::sync::Mutex::default(),
            unheard: Notify::new(),
            names: KnownNames::default(),
            leases: Mutex::default(),
            counters: RwLock::default(),
            kind_caps: RwLock::default(),
            history: History::default(),
            feed: Feed::default(),
            hints: Hints::default(),
            stale: Stale::default(),
            partitions: Partitions::of(partition),
            maintenance_due: Notify::new(),
            next_due: AtomicI64::new(NEVER),
            left_over: AtomicBool::new(false),
            next_retirement: AtomicI64::new(NEVER),
            refused_writes: AtomicU64::new(0),
            commit_clock: CommitClock::default(),
            regained: AtomicI64::new(i64::MIN / 2),
            blobs,
            secret,
        }
    }

    /// Sees to it that the names behind the numbers in two columns of `rows` are known.
    pub async fn learn(&self, db: &impl GenericClient, rows: &[Row], columns: (usize, usize)) -> Result<(), PgError> {
        self.names.learn(db, rows, columns, self.history.current()).await
    }

    /// The database cannot be reached; the writer looks again when it can.
    pub fn lose(&self, error: &PgError) {
        self.reach.lose(error);
        self.stale.set();
    }

    /// This node cannot show that it lives, until it can.
    pub fn fall_mute(&self, error: &PgError) {
        self.reach.fall_mute(error);
        self.stale.set();
    }
}
