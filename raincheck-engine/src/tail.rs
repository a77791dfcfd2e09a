//! What was committed becomes known.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use raincheck_core::{EventData, State};
use raincheck_store::Commit;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Engine;

/// Follows the store's commits and tells everybody: the one reader behind every wake-up. Ends with the store.
pub(crate) async fn run(engine: Engine, mut commits: UnboundedReceiver<Commit>) {
    while let Some(commit) = commits.recv().await {
        engine.tell(commit);
    }
}

impl Engine {
    fn tell(&self, commit: Commit) {
        let inner = &self.0;
        if commit.history_changed {
            inner.results.forget();
            inner.dispatch.nothing_queued.store(false, SeqCst);
            inner.dispatch.poll();
        }
        // Workers first: they wait for the commit and nothing else.
        inner.dispatch.tell(&commit.events, &*inner.store);
        if commit.is_own {
            inner.counters.commits.fetch_add(1, Relaxed);
        }
        let now = inner.clock.ticks();
        let mut by_kind = inner.by_kind.lock();
        for event in &commit.events {
            let took = inner.workers.note(event);
            if let EventData::Started { .. } = event.data {
                inner.stats.left(&event.queue, now);
            }
            if let (EventData::Succeeded, Some(millis)) = (&event.data, took) {
                inner.stats.took(&event.kind, millis);
            }
            // Every node hears of everything, and all of them are summed up: each counts what is its own.
            if commit.is_own {
                inner.counters.count_event(event);
                by_kind.event(event, took);
            }
        }
        drop(by_kind);
        if self.is_draining() {
            inner.drained.notify_one();
        }
        if commit.events.iter().any(|event| event.state == State::Scheduled) {
            inner.due_sooner.notify_one();
        }
        inner.hub.publish(commit);
    }
}
