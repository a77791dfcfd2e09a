use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

/// A flag that can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    set: AtomicBool,
    was_set: Notify,
}

impl Stale {
    pub fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.was_set.notify_one();
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
            self.was_set.notified().await;
        }
        tokio::time::sleep_until(at.into()).await;
    }
}
