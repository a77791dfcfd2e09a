//! The running leases: who is due for a heartbeat, who is watched, whom an order to stop concerns.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{Beat, Latest, Stop, StopReason, Transport, Verdict};

/// The progress in one request of heartbeats, well below the server's limit for JSON; in bytes.
const DUE_BYTES: usize = 256 * 1024;

/// All running leases, by what names them.
pub(crate) struct Board<T: Transport> {
    entries: Mutex<HashMap<T::Key, Entry<T::Progress>>>,
    /// Something was added to an empty board.
    filled: Notify,
}

struct Entry<P> {
    since: Instant,
    beaten: Instant,
    every: Duration,
    stop: Stop,
    progress: Arc<Latest<P>>,
    /// Its answer was seen: asking again with a wait would be answered at once, for ever.
    canceled: bool,
}

/// On the board until it is dropped.
pub(crate) struct Listed<'a, T: Transport> {
    board: &'a Board<T>,
    key: T::Key,
}

impl<T: Transport> Drop for Listed<'_, T> {
    fn drop(&mut self) {
        self.board.lock().remove(&self.key);
    }
}

impl<T: Transport> Default for Board<T> {
    fn default() -> Self {
        Self { entries: Mutex::default(), filled: Notify::new() }
    }
}

impl<T: Transport> Board<T> {
    pub(crate) fn list(
        &self,
        key: T::Key,
        every: Duration,
        stop: Stop,
        progress: Arc<Latest<T::Progress>>,
    ) -> Listed<'_, T> {
        let now = Instant::now();
        let entry = Entry { since: now, beaten: now, every, stop, progress, canceled: false };
        self.lock().insert(key.clone(), entry);
        self.filled.notify_waiters();
        Listed { board: self, key }
    }

    /// Resolves when something runs.
    pub(crate) async fn occupied(&self) {
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
    pub(crate) fn due(&self, max: usize) -> Vec<Beat<T>> {
        let now = Instant::now();
        let (mut due, mut bytes) = (Vec::new(), 0);
        for (key, entry) in self.lock().iter_mut() {
            if due.len() >= max || bytes >= DUE_BYTES {
                // The rest is still due the next time.
                break;
            }
            if now >= entry.beaten + entry.every || entry.progress.is_waiting() {
                entry.beaten = now;
                let progress = entry.progress.take();
                bytes += progress.as_ref().map_or(0, T::progress_bytes);
                due.push(Beat { key: key.clone(), progress });
            }
        }
        due
    }

    /// Those heartbeats did not arrive: they are due again.
    pub(crate) fn unsent(&self, beats: Vec<Beat<T>>) {
        let mut entries = self.lock();
        for Beat { key, progress } in beats {
            if let Some(entry) = entries.get_mut(&key) {
                entry.beaten -= entry.every.min(entry.beaten.saturating_duration_since(entry.since));
                progress.into_iter().for_each(|progress| entry.progress.put_back(progress));
            }
        }
    }

    /// The leases that have run for at least `age` and whose cancel is not known yet.
    pub(crate) fn watchable(&self, age: Duration, max: usize) -> Vec<T::Key> {
        let now = Instant::now();
        let mut keys: Vec<T::Key> = self
            .lock()
            .iter()
            .filter(|(_, entry)| !entry.canceled && now >= entry.since + age)
            .map(|(key, _)| key.clone())
            .collect();
        keys.sort_unstable();
        keys.truncate(max);
        keys
    }

    /// Takes in what the server said of some runs; whether any of it was news.
    pub(crate) fn heard(&self, answers: &[(T::Key, Verdict)]) -> bool {
        let mut entries = self.lock();
        let mut news = false;
        for (key, verdict) in answers {
            // One that has ended meanwhile need not be told, but is why the answer came early.
            let Some(entry) = entries.get_mut(key) else {
                news = true;
                continue;
            };
            let reason = match verdict {
                Verdict::Lost => StopReason::Lost,
                Verdict::Cancel if !entry.canceled => StopReason::Canceled,
                Verdict::Cancel | Verdict::GoOn | Verdict::Refused => continue,
            };
            entry.canceled = true;
            entry.stop.order(reason);
            news = true;
        }
        news
    }

    pub(crate) fn stop_all(&self, reason: StopReason) {
        self.lock().values().for_each(|entry| entry.stop.order(reason));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<T::Key, Entry<T::Progress>>> {
        // Nothing in here is left half done by a panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
