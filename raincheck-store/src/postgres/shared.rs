use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering};

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
    /// Connections for reading, made when they are first wanted.
    pub pool: Pool,
    /// Since when those of the pool may be of no use.
    pub doubts: Doubts,
    /// How a question that is withdrawn is encrypted, as the address says.
    pub tls: Encryption,
    /// The server that all connections of this node are to.
    pub anchor: Arc<Anchor>,
    /// The clock that decides: the database's, or the one a test gave.
    pub clock: DecidingClock,
    /// Whether the database is reached, as the writer, the tailer and the signs of life find it.
    pub reach: Reach,
    /// Number of this node among those that serve the data, from the table `node`.
    pub node: AtomicI32,
    /// Proves that this number is its own; drawn when the number was taken.
    pub token: Mutex<Uuid>,
    /// Held while another number is taken.
    pub taking: tokio::sync::Mutex<()>,
    /// Notified when leases seem to be over and nobody could have renewed them: the next sign of life sees to that.
    pub unheard: Notify,
    /// Names of queues and kinds and their numbers, from the tables `queue` and `kind`.
    pub names: KnownNames,
    /// Running leases, as this node wrote or read them last; the table `lease` decides.
    pub leases: Mutex<Leases>,
    /// Counts and settings of all nodes, as of the last transaction or the last look at what others did.
    pub counters: RwLock<Counters>,
    /// How many jobs of a kind may run at once, from the configuration of this node.
    pub kind_caps: RwLock<HashMap<Name, u32>>,
    /// The history of the data that this node goes by, from the table `history`.
    pub history: History,
    /// What is published of the table `feed`.
    pub feed: Feed,
    /// What is heard from other nodes, and told to them.
    pub hints: Hints,
    /// Set by the tailer where other nodes changed something: the writer should look again.
    pub stale: Stale,
    /// Which partitions there are, from the table `partition`.
    pub partitions: Partitions,
    /// Notified when tombstones were looked at: partitions may have to go.
    pub maintenance_due: Notify,
    /// When the next scheduled job is due or the next start is late, milliseconds of the clock that decides.
    pub next_due: AtomicI64,
    /// See [`crate::Store::is_left_over`].
    pub left_over: AtomicBool,
    /// When the retention of the next job is over, the same way.
    pub next_expiry: AtomicI64,
    /// Transactions that would have broken a promise, since this node started.
    pub refused_writes: AtomicU64,
    /// How long transactions took.
    pub commit_clock: CommitClock,
    /// When, on the clock of leases, the database was reached again after it could not be, milliseconds: no lease ends
    /// before its length has passed since, for the silence was not the worker's fault.
    pub regained: AtomicI64,
    /// Where large payloads are.
    pub blobs: Blobs,
    /// Of the store, from the table `meta`; the same for all nodes.
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
            next_expiry: AtomicI64::new(NEVER),
            refused_writes: AtomicU64::new(0),
            commit_clock: CommitClock::default(),
            regained: AtomicI64::new(i64::MIN / 2),
            blobs,
            secret,
        }
    }

    /// Sees to it that the names behind the numbers in two columns of `rows` are known.
    pub async fn load_missing(
        &self,
        db: &impl GenericClient,
        rows: &[Row],
        columns: (usize, usize),
    ) -> Result<(), PgError> {
        self.names.load_missing(db, rows, columns, self.history.current()).await
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

    /// What proves who this node is: its number and its token.
    pub fn identity(&self) -> (i32, Uuid) {
        let token = self.token.lock();
        (self.node.load(Ordering::Acquire), *token)
    }

    /// Somebody asks for something, and may wait for what comes next.
    pub fn asked(&self) {
        if self.hints.asked(self.clock.own.ticks()) {
            // Whoever looks now and then looks often from now on.
            self.feed.behind.notify_one();
        }
    }

    /// Whether somebody may wait for something that no hint will tell of.
    pub fn waits_unheard(&self) -> bool {
        self.hints.waits_unheard(self.clock.own.ticks())
    }
}
