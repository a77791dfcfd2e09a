use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;
use raincheck_core::{Event, EventData, JobNo, Name, State, Wanted};
use raincheck_store::Store;
use tokio::sync::Notify;

use crate::waiting::{Waiting, Wake};

/// Wakes workers that wait. One is woken per job that becomes ready: the one that waits longest among those that
/// serve its kind in its queue.
#[derive(Default)]
pub(crate) struct Dispatch {
    pub(crate) waiting: Mutex<Waiting>,
    /// The last fallback poll found nothing queued, and nothing was since.
    pub(crate) nothing_queued: AtomicBool,
    /// The first waiter came.
    pub(crate) somebody: Notify,
    /// A fallback poll is wanted now.
    pub(crate) now: Notify,
}

/// A request that waits for work. Dropping it passes on the wakes it did not use.
pub(crate) struct Waiter {
    dispatch: Arc<Dispatch>,
    id: u64,
    notify: Arc<Notify>,
    /// The wake that the question being asked now answers.
    owed: Option<Wake>,
}

impl Dispatch {
    /// A place in the line of those who serve, unless the line is full. Not armed yet.
    pub(crate) fn waiter(self: &Arc<Self>, wanted: Wanted<'_>) -> Option<Waiter> {
        let notify = Arc::new(Notify::new());
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            self.somebody.notify_one();
        }
        let id = waiting.join(wanted, notify.clone())?;
        drop(waiting);
        Some(Waiter { dispatch: self.clone(), id, notify, owed: None })
    }

    /// Wakes one waiter for each job that became ready, and one for each run that ended where more is queued: it
    /// may have freed a slot.
    pub(crate) fn tell(&self, events: &[Event], store: &dyn Store) {
        if events.iter().any(|event| event.state == State::Queued) {
            self.nothing_queued.store(false, SeqCst);
        }
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            return;
        }
        for event in events {
            let (queue, kind) = (Some(event.queue.clone()), Some(event.kind.clone()));
            if event.state == State::Queued {
                waiting.wake(Wake { queue, kind, job: Some(event.no), chain: false });
            } else if ended_a_run(event)
                && waiting.may_serve(&event.queue, &event.kind)
                && any_queued(store, &event.queue)
            {
                waiting.wake(Wake { queue, kind, job: None, chain: false });
            }
        }
    }

    /// Brings waiters and queued jobs together at once: for changes that no event tells of.
    pub(crate) fn poll(&self) {
        self.now.notify_one();
    }

    /// Whether somebody waits for jobs of this kind in this queue.
    pub(crate) fn waits_for(&self, queue: &Name, kind: &Name) -> bool {
        self.waiting.lock().serves(queue, kind)
    }
}

fn ended_a_run(event: &Event) -> bool {
    event.attempt > 0 && (event.state.is_final() || matches!(event.data, EventData::Retrying { .. }))
}

fn any_queued(store: &dyn Store, queue: &Name) -> bool {
    store.queue(queue).is_some_and(|stats| stats.by_state[State::Queued as usize] > 0)
}

impl Waiter {
    /// From here on a job that becomes ready wakes this waiter. To be followed by asking the store.
    pub(crate) fn arm(&mut self) {
        self.owed = self.dispatch.waiting.lock().arm(self.id);
    }

    /// The store has answered the question that followed [`Waiter::arm`] with these jobs.
    pub(crate) fn answered(&mut self, leased: impl Iterator<Item = JobNo> + Clone) {
        if leased.clone().next().is_none() {
            // What this waiter was woken for went to somebody else.
            self.owed = None;
            return;
        }
        // A job that came while the store was asked may be among the leased ones; any other is passed on.
        let used = |wake: &Wake| wake.job.map_or(!wake.chain, |no| leased.clone().any(|l| l == no));
        self.owed = self.owed.take().filter(|wake| !used(wake));
        self.dispatch.waiting.lock().discharge(self.id, used);
    }

    /// Resolves when there may be work; at once if there may have been since the last [`Waiter::arm`].
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.dispatch.waiting.lock();
        let pending = waiting.leave(self.id);
        for wake in self.owed.take().into_iter().chain(pending) {
            waiting.wake(wake);
        }
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
