//! What the loops of one worker share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{Ask, Host, Transport, board::Board, trouble::Trouble};

/// The most leases that one request may ask for.
pub(crate) const LEASE_MAX: usize = 1_000;

pub(crate) type LeaseOf<H> = <<H as Host>::Transport as Transport>::Lease;
pub(crate) type EndOf<H> = <<H as Host>::Transport as Transport>::End;
pub(crate) type ErrorOf<H> = <<H as Host>::Transport as Transport>::Error;

pub(crate) struct Shared<H: Host> {
    pub(crate) transport: H::Transport,
    pub(crate) host: H,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) board: Board<H::Transport>,
    pub(crate) trouble: Trouble,
    pub(crate) runs: TaskTracker,
    /// Those whose work is not over.
    pub(crate) at_work: TaskTracker,
    pub(crate) ended: mpsc::UnboundedSender<Ended<EndOf<H>>>,
    /// No new work.
    pub(crate) draining: CancellationToken,
    /// The worker is gone: drop everything.
    pub(crate) gone: CancellationToken,
    /// No more grace.
    pub(crate) hurry: CancellationToken,
}

/// A run that ended, on its way to the server.
pub(crate) struct Ended<End> {
    pub(crate) end: End,
    /// The slot that it frees.
    pub(crate) slot: OwnedSemaphorePermit,
    /// Notified when the server knows.
    pub(crate) settled: oneshot::Sender<()>,
}

impl<H: Host> Shared<H> {
    /// For how many of so many free slots it takes jobs now.
    pub(crate) fn room(&self, slots: usize) -> usize {
        if self.draining.is_cancelled() { 0 } else { self.trouble.room(slots) }
    }

    /// A question for up to `max` jobs, under an id of its own.
    pub(crate) fn ask(&self, max: usize) -> Ask<EndOf<H>> {
        let trouble = if max == 0 { self.trouble.now() } else { None };
        Ask { id: Uuid::now_v7(), max, wait: None, trouble, ends: Vec::new() }
    }
}
