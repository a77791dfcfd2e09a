//! The running leases: who is due for a heartbeat, who is watched, whom an order to stop concerns.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    api::{Heartbeat, HeartbeatAnswer, Progress},
    run::{Delivery, Stop, StopReason},
};

/// The progress in one request of heartbeats, well below the server's limit for JSON; in bytes.
const DUE_BYTES: usize = 256 * 1024;

/// All running leases, by lease.
#[derive(Default)]
pub(super) struct Board {
    entries: Mutex<HashMap<String, Entry>>,
    /// Something was added to an empty board.
    filled: Notify,
}

struct Entry {
    since: Instant,
    beaten: Instant,
    every: Duration,
    stop: Stop,
    delivery: Arc<Delivery>,
    /// Its answer was seen: asking again with a wait would be answered at once, for ever.
    canceled: bool,
}

impl Board {
    pub(super) fn add(&self, lease: &str, every: Duration, stop: Stop, delivery: Arc<Delivery>) {
        let now = Instant::now();
        let entry = Entry { since: now, beaten: now, every, stop, delivery, canceled: false };
        self.lock().insert(lease.to_owned(), entry);
        self.filled.notify_waiters();
    }

    pub(super) fn remove(&self, lease: &str) {
        self.lock().remove(lease);
    }

    /// Resolves when something runs.
    pub(super) async fn occupied(&self) {
        loop {
            let filled = self.filled.notified();
            tokio::pin!(filled);
            filled.as_mut().enable();
            if !self.lock().is_empty() {
                return;
            }
            filled.await;
        }
    }

    /// The heartbeats that are due, by the clock or for their progress; they count as sent.
    pub(super) fn due(&self, max: usize) -> Vec<Heartbeat> {
        let now = Instant::now();
        let (mut due, mut bytes) = (Vec::new(), 0);
        for (lease, entry) in self.lock().iter_mut() {
            if due.len() >= max || bytes >= DUE_BYTES {
                // The rest is still due the next time.
                break;
            }
            if now >= entry.beaten + entry.every || entry.delivery.is_waiting() {
                entry.beaten = now;
                let progress = entry.delivery.take();
                bytes += progress.as_ref().map_or(0, Progress::bytes);
                due.push(Heartbeat { lease: lease.clone(), progress, ttl: None });
            }
        }
        due
    }

    /// Those heartbeats did not arrive: they are due again.
    pub(super) fn unsent(&self, heartbeats: Vec<Heartbeat>) {
        let mut entries = self.lock();
        for Heartbeat { lease, progress, .. } in heartbeats {
            if let Some(entry) = entries.get_mut(&lease) {
                entry.beaten -= entry.every.min(entry.beaten.saturating_duration_since(entry.since));
                progress.into_iter().for_each(|progress: Progress| entry.delivery.put_back(progress));
            }
        }
    }

    /// The leases that have run for at least `age` and whose cancel is not known yet.
    pub(super) fn watchable(&self, age: Duration, max: usize) -> Vec<String> {
        let now = Instant::now();
        let mut leases: Vec<String> = self
            .lock()
            .iter()
            .filter(|(_, entry)| !entry.canceled && now >= entry.since + age)
            .map(|(lease, _)| lease.clone())
            .collect();
        leases.sort_unstable();
        leases.truncate(max);
        leases
    }

    /// Takes in what the server said of some runs; whether any of it was news.
    pub(super) fn heard(&self, answers: &[HeartbeatAnswer]) -> bool {
        let mut entries = self.lock();
        let mut news = false;
        for answer in answers {
            // One that has ended meanwhile need not be told, but is why the answer came early.
            let Some(entry) = entries.get_mut(&answer.lease) else {
                news = true;
                continue;
            };
            if answer.problem.as_ref().is_some_and(|problem| matches!(problem.slug(), "lease-lost" | "not-found")) {
                entry.canceled = true;
                entry.stop.order(StopReason::Lost);
                news = true;
            } else if answer.cancel_requested && !entry.canceled {
                entry.canceled = true;
                entry.stop.order(StopReason::Canceled);
                news = true;
            }
        }
        news
    }

    pub(super) fn stop_all(&self, reason: StopReason) {
        self.lock().values().for_each(|entry| entry.stop.order(reason));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Nothing in here is left half done by a panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
