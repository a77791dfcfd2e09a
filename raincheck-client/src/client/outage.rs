//! A server that is away, reported to whoever waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::Error;

/// What is reported: once when it begins, and once when it is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outage<'a> {
    /// A request that is tried again went wrong.
    Begins(&'a Error),
    /// The server answers again.
    Over,
}

/// Where an outage is reported.
#[derive(Clone)]
pub(super) struct Listener(pub(super) Arc<dyn Fn(Outage<'_>) + Send + Sync>);

/// Whether there is one now.
pub(super) struct Outages {
    listener: Option<Listener>,
    is_on: AtomicBool,
}

impl Outages {
    pub(super) fn of(listener: Option<Listener>) -> Self {
        Self { listener, is_on: AtomicBool::new(false) }
    }

    /// Somebody waits for the server, because of this.
    pub(super) fn waits(&self, error: &Error) {
        let Outages { listener: Some(listener), is_on } = self else { return };
        if !is_on.swap(true, Ordering::Relaxed) {
            listener.0(Outage::Begins(error));
        }
    }

    /// The server has answered, in a way that is worth waiting for.
    pub(super) fn heard(&self) {
        let Outages { listener: Some(listener), is_on } = self else { return };
        if is_on.load(Ordering::Relaxed) && is_on.swap(false, Ordering::Relaxed) {
            listener.0(Outage::Over);
        }
    }
}
