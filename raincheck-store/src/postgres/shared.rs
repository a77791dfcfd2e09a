use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering};

use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use raincheck_core::{Clock, Millis, Name, Timestamp, limits};
use tokio::sync::Notify;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

use crate::StoreError;
use crate::blobs::Blobs;
use crate::commit_times::CommitClock;
use crate::leases::Leases;
use crate::postgres::connection::anchor::Anchor;
use crate::postgres::connection::encryption::Encryption;
use crate::postgres::connection::link::Doubts;
use crate::postgres::connection::pool::Pool;
use crate::postgres::connection::timeouts::{LEAST, PATIENCE};
use crate::postgres::error::Trouble;
use crate::postgres::feed::hints::Hints;
use crate::postgres::feed::order::Feed;
use crate::postgres::history::current::History;
use crate::postgres::partitions::known::Stretches;
use crate::postgres::tables::counters::Book;
use crate::postgres::tables::names::Names;

/// Means "nothing to do" in the times below.
pub(crate) const NEVER: i64 = i64::MAX;

/// The database's wall clock, milliseconds since 1970, in SQL.
pub(crate) const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Whose clock decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The database's: one for all nodes, whatever their own say.
    Database,
    /// The one this node was given, for tests that own time.
    Given,
}

/// A flag that can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    set: AtomicBool,
    told: Notify,
}

impl Stale {
    pub fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.told.notify_one();
    }

    pub fn clear(&self) {
        self.set.store(false, Ordering::Release);
    }

    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Waits until it is set, and at least until then.
    pub async fn since(&self, at: Instant) {
        while !self.is_set() {
            self.told.notified().await;
        }
        tokio::time::sleep_until(at.into()).await;
    }
}

/// Since when the database cannot be reached, and why.
#[derive(Debug)]
pub(crate) struct Lost {
    since: Instant,
    why: String,
}

impl Lost {
    fn note(lost: &RwLock<Option<Lost>>, trouble: &Trouble) {
        let mut lost = lost.write();
        let since = lost.as_ref().map_or_else(Instant::now, |lost| lost.since);
        *lost = Some(Lost { since, why: trouble.why() });
    }
}

/// What the writer, the tailer and the readers share.
pub(crate) struct Shared {
    pub pool: Pool,
    pub doubts: Doubts,
    pub tls: Encryption,
    pub anchor: Arc<Anchor>,
    pub clock: Arc<dyn Clock>,
    pub time: Time,
    /// Number of this node among those that serve the data.
    pub node: AtomicI32,
    /// Proves that this number is its own.
    pub token: Mutex<Uuid>,
    /// One look at a time for another number.
    pub taking: tokio::sync::Mutex<()>,
    /// Leases seem to be over, and nobody could have renewed them: let that be seen to.
    pub unheard: Notify,
    pub queues: Names,
    pub kinds: Names,
    /// The last round in which names were forgotten that this node knows of.
    pub names_round: AtomicI64,
    /// What is known of running leases without asking the database; it alone decides.
    pub leases: Mutex<Leases>,
    pub book: RwLock<Book>,
    pub kind_caps: RwLock<HashMap<Name, u32>>,
    pub history: History,
    pub feed: Feed,
    pub hints: Hints,
    /// Set by the tailer where other nodes changed something: the writer should look again.
    pub stale: Stale,
    pub stretches: Stretches,
    /// Something was forgotten: partitions should be looked after.
    pub untended: Notify,
    pub next_due: AtomicI64,
    /// See [`crate::Store::is_left_over`].
    pub left_over: AtomicBool,
    pub next_retirement: AtomicI64,
    pub refused_writes: AtomicU64,
    pub commit_clock: CommitClock,
    /// Why the store takes nothing any more.
    pub stopped: RwLock<Option<String>>,
    /// The database cannot be reached now.
    pub lost: RwLock<Option<Lost>>,
    /// This node cannot show that it lives: nothing is written, be it that reads are answered.
    pub mute: RwLock<Option<Lost>>,
    /// When, on the clock of leases, the database was reached again after it could not be: no lease ends before its
    /// length has passed since, for the silence was not the worker's fault.
    pub regained: AtomicI64,
    /// The database's wall clock less the ticks of this node's, as of the last transaction.
    pub offset: AtomicI64,
    /// The time that is told less those ticks: the same, unless the database's clock was set back.
    pub told: AtomicI64,
    /// The ticks of the last transaction.
    heard: AtomicI64,
    pub blobs: Blobs,
    pub secret: [u8; 32],
}

impl Shared {
    pub fn new(
        (pool, doubts, tls, anchor): (Pool, Doubts, Encryption, Arc<Anchor>),
        (clock, time): (Arc<dyn Clock>, Time),
        blobs: Blobs,
        secret: [u8; 32],
        stretch: Millis,
    ) -> Self {
        Shared {
            pool,
            doubts,
            tls,
            anchor,
            clock,
            time,
            node: AtomicI32::new(0),
            token: Mutex::default(),
            taking: tokio::sync::Mutex::default(),
            unheard: Notify::new(),
            queues: Names::of("queue"),
            kinds: Names::of("kind"),
            names_round: AtomicI64::new(0),
            leases: Mutex::default(),
            book: RwLock::default(),
            kind_caps: RwLock::default(),
            history: History::default(),
            feed: Feed::default(),
            hints: Hints::default(),
            stale: Stale::default(),
            stretches: Stretches::of(stretch),
            untended: Notify::new(),
            next_due: AtomicI64::new(NEVER),
            left_over: AtomicBool::new(false),
            next_retirement: AtomicI64::new(NEVER),
            refused_writes: AtomicU64::new(0),
            commit_clock: CommitClock::default(),
            stopped: RwLock::default(),
            lost: RwLock::default(),
            mute: RwLock::default(),
            regained: AtomicI64::new(i64::MIN / 2),
            offset: AtomicI64::new(0),
            told: AtomicI64::new(i64::MIN / 2),
            heard: AtomicI64::new(0),
            blobs,
            secret,
        }
    }

    /// Sees to it that the names behind the numbers in two columns of `rows` are known.
    pub async fn learn(
        &self,
        db: &impl GenericClient,
        rows: &[Row],
        (queue, kind): (usize, usize),
    ) -> Result<(), Trouble> {
        let history = self.history.current();
        self.queues.learn(db, rows, queue, history).await?;
        self.kinds.learn(db, rows, kind, history).await
    }

    /// The wall clock where this node's decides; `None` leaves it to the database: `coalesce($1, NOW)`.
    pub fn given_now(&self) -> Option<i64> {
        (self.time == Time::Given).then(|| self.clock.now().0)
    }

    /// The clock of leases where this node's decides; `None` leaves it to the database: `coalesce($1, NOW)`.
    pub fn given_ticks(&self) -> Option<Millis> {
        (self.time == Time::Given).then(|| self.clock.ticks())
    }

    /// Takes over the database's wall clock, and answers what time it is: ahead of that where it was set back, so that
    /// what waits for a time goes on to come, and nearing it slowly.
    pub fn heard_time(&self, now: i64) -> Timestamp {
        let ticks = self.clock.ticks();
        let passed = (ticks - self.heard.swap(ticks, Ordering::AcqRel)).max(0);
        self.offset.store(now - ticks, Ordering::Release);
        let told = self.told.load(Ordering::Acquire);
        let ahead = told - (now - ticks);
        let told = told - ahead.min(passed / limits::CLOCK_NEARS_BY);
        self.told.store(told, Ordering::Release);
        Timestamp(ticks + told)
    }

    /// The wall clock that decides, as well as this node knows it.
    pub fn now(&self) -> Timestamp {
        match self.time {
            Time::Given => self.clock.now(),
            Time::Database => Timestamp(self.clock.ticks() + self.told.load(Ordering::Acquire)),
        }
    }

    /// What to add to this node's ticks to get the clock of leases.
    pub fn lease_offset(&self) -> Millis {
        match self.time {
            Time::Given => 0,
            Time::Database => self.offset.load(Ordering::Acquire),
        }
    }

    /// The clock of leases, as well as this node knows it.
    pub fn lease_now(&self) -> Millis {
        self.clock.ticks() + self.lease_offset()
    }

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
    pub fn lose(&self, trouble: &Trouble) {
        Lost::note(&self.lost, trouble);
        self.stale.set();
    }

    /// This node cannot show that it lives, until it can.
    pub fn fall_mute(&self, trouble: &Trouble) {
        Lost::note(&self.mute, trouble);
        self.stale.set();
    }

    /// How long a caller waits now: not as long again for what has been silent for longer already.
    pub fn patience(&self) -> Duration {
        let is_long =
            |lost: &RwLock<Option<Lost>>| lost.read().as_ref().is_some_and(|lost| lost.since.elapsed() > PATIENCE);
        if is_long(&self.lost) || is_long(&self.mute) { LEAST } else { PATIENCE }
    }
}
