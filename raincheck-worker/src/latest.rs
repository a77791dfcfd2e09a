use std::sync::{Mutex, MutexGuard, PoisonError};

/// The latest progress of a run, until a heartbeat takes it along.
pub struct Latest<P>(Mutex<Option<P>>);

impl<P> Default for Latest<P> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<P> Latest<P> {
    /// Replaces what was not sent yet.
    pub fn put(&self, progress: P) {
        *self.lock() = Some(progress);
    }

    pub(crate) fn take(&self) -> Option<P> {
        self.lock().take()
    }

    /// Gives back what could not be sent, unless there is something newer.
    pub(crate) fn put_back(&self, progress: P) {
        self.lock().get_or_insert(progress);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<P>> {
        // Nothing in here is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
