use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::Notify;

/// Somebody may still wait so long after the last question: the longest wait, and some.
const WAITS: i64 = 60_000;

/// Whether hints come, and whether anybody waits for what they tell.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// This node wrote something: tell the others.
    pub wrote: Notify,
    /// There are others to tell.
    pub others: AtomicBool,
    /// Hints come through.
    pub heard: AtomicBool,
    /// When, in ticks, this node was last asked something.
    asked: AtomicI64,
}

impl Hints {
    /// Notes that somebody asks for something at `now`, in ticks; answers whether nobody had for long, and no hints
    /// come.
    pub fn asked(&self, now: i64) -> bool {
        let before = self.asked.swap(now, Ordering::Relaxed);
        now - before >= WAITS && !self.heard.load(Ordering::Relaxed)
    }

    /// Whether somebody may wait at `now`, in ticks, for something that no hint will tell of.
    pub fn waits_unheard(&self, now: i64) -> bool {
        now - self.asked.load(Ordering::Relaxed) < WAITS && !self.heard.load(Ordering::Relaxed)
    }
}
