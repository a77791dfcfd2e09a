//! Whose clock decides, and what this node knows of the database's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use raincheck_core::{Clock, Millis, Timestamp, limits};

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

/// The clock that decides: the database's, as this node has heard of it, or this node's own.
pub(crate) struct DecidingClock {
    /// This node's own, whose ticks carry the other one on between two transactions.
    pub own: Arc<dyn Clock>,
    /// Which of them decides.
    pub time: Time,
    /// The database's wall clock less the ticks of this node's, as of the last transaction, milliseconds.
    offset: AtomicI64,
    /// The time that is published less those ticks, milliseconds: the same, unless the database's clock was set back.
    published: AtomicI64,
    /// The ticks of the last transaction, milliseconds.
    heard_at: AtomicI64,
}

impl DecidingClock {
    pub fn new(own: Arc<dyn Clock>, time: Time) -> Self {
        let (offset, heard_at) = (AtomicI64::new(0), AtomicI64::new(0));
        DecidingClock { own, time, offset, published: AtomicI64::new(i64::MIN / 2), heard_at }
    }

    /// What it says from now on is not before `at`.
    pub fn not_before(&self, at: Timestamp) {
        self.published.fetch_max(at.0 - self.own.ticks(), Ordering::AcqRel);
    }

    /// The wall clock where this node's decides; `None` leaves it to the database: `coalesce($1, NOW)`.
    pub fn given_now(&self) -> Option<i64> {
        (self.time == Time::Given).then(|| self.own.now().0)
    }

    /// The clock of leases where this node's decides; `None` leaves it to the database: `coalesce($1, NOW)`.
    pub fn given_ticks(&self) -> Option<Millis> {
        (self.time == Time::Given).then(|| self.own.ticks())
    }

    /// Takes over the database's wall clock, and answers what time it is: ahead of that where it was set back, so that
    /// what waits for a time goes on to come, and nearing it slowly.
    pub fn heard_time(&self, now: i64) -> Timestamp {
        let ticks = self.own.ticks();
        let passed = (ticks - self.heard_at.swap(ticks, Ordering::AcqRel)).max(0);
        self.offset.store(now - ticks, Ordering::Release);
        let published = self.published.load(Ordering::Acquire);
        let ahead = published - (now - ticks);
        let published = published - ahead.min(passed / limits::CLOCK_NEARS_BY);
        self.published.store(published, Ordering::Release);
        Timestamp(ticks + published)
    }

    /// The wall clock that decides, as well as this node knows it.
    pub fn now(&self) -> Timestamp {
        match self.time {
            Time::Given => self.own.now(),
            Time::Database => Timestamp(self.own.ticks() + self.published.load(Ordering::Acquire)),
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
        self.own.ticks() + self.lease_offset()
    }
}
