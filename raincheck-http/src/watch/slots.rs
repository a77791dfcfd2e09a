//! How many streams are open, and a bound on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts open streams.
#[derive(Clone, Debug)]
pub struct Slots {
    open: Arc<AtomicUsize>,
    most: usize,
}

/// One open stream; closes when dropped.
#[derive(Debug)]
pub struct Slot(Arc<AtomicUsize>);

impl Slots {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Slots { open: Arc::default(), most }
    }

    /// Takes a slot, unless all are taken.
    pub fn take(&self) -> Option<Slot> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let slot = Slot(self.open.clone());
        (before < self.most).then_some(slot)
    }

    /// As many as there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Streams open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
