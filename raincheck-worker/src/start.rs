//! Leases become runs, each in a slot.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Host, Transport, run,
    shared::{LeaseOf, Shared},
};

/// Starts each lease in a slot; slots that are left over become free. While draining, or while nothing can be run, leases
/// are given back instead.
pub(crate) fn start<H: Host>(shared: &Arc<Shared<H>>, leases: Vec<LeaseOf<H>>, slots: Vec<OwnedSemaphorePermit>) {
    let mut slots = slots.into_iter();
    for lease in leases {
        // A server that hands out more than was asked for gets the rest back.
        match slots.next().filter(|_| shared.room(1) > 0) {
            Some(slot) => shared.runs.spawn(run::run(shared.clone(), lease, slot)),
            None => shared.runs.spawn(run::give_back(shared.clone(), H::Transport::key(&lease))),
        };
    }
}
