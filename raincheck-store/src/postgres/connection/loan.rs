//! Connections of the pool on loan, and which of them are not to be lent again.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use deadpool::managed::{Hook, HookError};
use parking_lot::Mutex;

use super::encryption::Encryption;
use super::link::withdraw;
use super::pool::{Object, Readers};

/// A connection of the pool, lent until a moment at which whoever has it gives up. Then nobody else gets it.
pub(crate) struct Loan {
    object: Object,
    until: Instant,
    doubts: Doubts,
    tls: Encryption,
}

impl Loan {
    pub fn new(object: Object, until: Instant, doubts: &Doubts, tls: &Encryption) -> Self {
        Loan { object, until, doubts: doubts.clone(), tls: tls.clone() }
    }
}

impl Deref for Loan {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.object
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if Instant::now() >= self.until {
            self.doubts.doubt_all();
            withdraw(&self.object, &self.tls);
        }
    }
}

/// When somebody last gave up waiting for an answer, or the data turned out to have another history: connections of the
/// pool that were there then may never answer, or tell of the one before.
#[derive(Clone, Default)]
pub(crate) struct Doubts(Arc<Mutex<Option<Instant>>>);

impl Doubts {
    /// All that are there now.
    pub fn doubt_all(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// Keeps them from being lent again.
    pub fn hook(&self) -> Hook<Readers> {
        let doubts = self.clone();
        Hook::sync_fn(move |_, metrics| match *doubts.0.lock() {
            Some(since) if metrics.created <= since => Err(HookError::message("nobody got an answer by it")),
            _ => Ok(()),
        })
    }
}
