use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use raincheck_core::{JobNo, Name, limits};
use tokio::sync::Notify;

/// The line of those who wait for work, oldest first.
#[derive(Default)]
pub(crate) struct Waiting {
    last: u64,
    all: HashMap<u64, Place>,
    /// Waiters by what they serve. One that was woken is taken out of the kind that woke it until it is armed
    /// again, and passed over in its other kinds.
    by_kind: HashMap<Name, BTreeSet<u64>>,
    /// In all places together: what each costs.
    names: usize,
}

/// One place in the line.
struct Place {
    queues: Box<[Name]>,
    kinds: Box<[Name]>,
    armed: bool,
    wake: Option<Wake>,
    /// The kind it was taken out of.
    out_of: Option<Name>,
    notify: Arc<Notify>,
}

/// Why somebody is woken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wake {
    /// Where work may be; `None` is anywhere.
    pub(crate) queue: Option<Name>,
    /// Of what kind.
    pub(crate) kind: Name,
    /// The job that became ready.
    pub(crate) job: Option<JobNo>,
    /// Whoever finds something wakes the next: nobody knows how much there is.
    pub(crate) chain: bool,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn serves(&self, kind: &Name) -> bool {
        self.by_kind.contains_key(kind)
    }

    /// A new place at the end, unless the line is full.
    pub(crate) fn join(&mut self, queues: &[Name], kinds: &[Name], notify: Arc<Notify>) -> Option<u64> {
        let names = queues.len() + kinds.len();
        if self.names + names > limits::WAITING_NAMES && names > limits::FEW_NAMES {
            return None;
        }
        self.names += names;
        self.last += 1;
        for kind in kinds {
            self.by_kind.entry(kind.clone()).or_default().insert(self.last);
        }
        let place =
            Place { queues: queues.into(), kinds: kinds.into(), armed: false, wake: None, out_of: None, notify };
        self.all.insert(self.last, place);
        Some(self.last)
    }

    /// Makes a waiter ready to be woken, and answers the wake it got since it was last armed.
    pub(crate) fn arm(&mut self, id: u64) -> Option<Wake> {
        let place = self.all.get_mut(&id)?;
        place.armed = true;
        if let Some(kind) = place.out_of.take() {
            self.by_kind.entry(kind).or_default().insert(id);
        }
        place.wake.take()
    }

    /// Takes back the wake of a waiter when it is `used`.
    pub(crate) fn discharge(&mut self, id: u64, used: impl Fn(&Wake) -> bool) {
        if let Some(place) = self.all.get_mut(&id) {
            place.wake = place.wake.take().filter(|wake| !used(wake));
        }
    }

    /// Removes a waiter, and answers the wake it did not use.
    pub(crate) fn leave(&mut self, id: u64) -> Option<Wake> {
        let place = self.all.remove(&id)?;
        self.names -= place.queues.len() + place.kinds.len();
        for kind in &place.kinds {
            if let Some(ids) = self.by_kind.get_mut(kind) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_kind.remove(kind);
                }
            }
        }
        place.wake
    }

    /// Wakes the first armed waiter that serves; answers whether there was one.
    pub(crate) fn wake(&mut self, wake: Wake) -> bool {
        let Some(ids) = self.by_kind.get_mut(&wake.kind) else { return false };
        let serves = |place: &Place| {
            let queue = wake.queue.as_ref().filter(|_| !place.queues.is_empty());
            place.armed && queue.is_none_or(|queue| place.queues.contains(queue))
        };
        let Some(id) = ids.iter().copied().find(|id| self.all.get(id).is_some_and(serves)) else { return false };
        ids.remove(&id);
        if let Some(place) = self.all.get_mut(&id) {
            place.armed = false;
            place.out_of = Some(wake.kind.clone());
            place.wake = Some(wake);
            place.notify.notify_one();
        }
        true
    }
}
