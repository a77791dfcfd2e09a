use raincheck_core::{Name, Timestamp};
use raincheck_store::{CommitTimes, QueueStats, Stats, StoreError};

use crate::{Counters, Engine, KindCounters, RunTimes, WorkerInfo};

/// What the store below tells about itself.
#[derive(Clone, Debug)]
pub struct StoreStats {
    /// Transactions that were given up because they would have broken a promise.
    pub refused_writes: u64,
    /// How often the data came back without what was published.
    pub history_changes: u64,
    /// Events that were acknowledged and are known to be missing.
    pub missing_events: u64,
    /// Large payloads moved aside because no job refers to them.
    pub orphans: u64,
    /// Reads of large payloads that were not there in full, or not as they were written.
    pub unreadable: u64,
    /// How long its transactions held up those who waited for them or behind them.
    pub commit_times: CommitTimes,
    /// The timeline of the server that the data is on, where it can move.
    pub timeline: Option<i64>,
    /// How many histories the data has had.
    pub histories: u64,
    /// Bytes free for the data, where that is known.
    pub free_bytes: Option<u64>,
    /// Whether submits are refused for lack of space.
    pub is_low: bool,
    /// The wall clock that decides.
    pub now: Timestamp,
}

impl Engine {
    /// What the store tells about itself since the start, from memory.
    pub fn store_stats(&self) -> StoreStats {
        let store = self.store();
        let (free_bytes, is_low) = store.space();
        StoreStats {
            refused_writes: store.refused_writes(),
            history_changes: store.history_changes(),
            missing_events: store.missing_events(),
            orphans: store.blobs().count_set_aside(),
            unreadable: store.blobs().count_unreadable(),
            commit_times: store.commit_times(),
            timeline: store.timeline(),
            histories: store.histories(),
            free_bytes,
            is_low,
            now: store.now(),
        }
    }

    /// Kept statistics of everything.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        self.store().stats().await
    }

    /// Kept statistics of one queue, from memory; `None` when there is no such queue.
    pub fn queue(&self, name: &Name) -> Option<QueueStats> {
        self.store().queue(name)
    }

    /// Workers seen in the last ten minutes, by name; in memory, of this process.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.0.workers.list(self.0.clock.ticks())
    }

    /// How long jobs of a kind took lately; `None` until one succeeded since the start.
    pub fn run_times(&self, kind: &Name) -> Option<RunTimes> {
        self.0.stats.kind(kind)
    }

    /// Whether somebody takes jobs of this kind from this queue: waits for them, or asked for them and gave a sign of life
    /// within two minutes.
    pub fn served(&self, queue: &Name, kind: &Name) -> bool {
        self.is_waited_for(queue, kind) || self.0.workers.serve(queue, kind, self.0.clock.ticks())
    }

    /// Whether somebody waits for jobs of this kind from this queue now.
    pub fn is_waited_for(&self, queue: &Name, kind: &Name) -> bool {
        self.0.dispatch.waits_for(queue, kind)
    }

    /// Why those who would serve such a job take none now, in words.
    pub(crate) fn trouble(&self, queue: &Name, kind: &Name) -> Option<Box<str>> {
        self.0.workers.trouble(queue, kind, self.0.clock.ticks())
    }

    /// Jobs a second that workers lately took from a queue; `None` until some were.
    pub fn drain_rate(&self, queue: &Name) -> Option<f64> {
        self.0.stats.drain_rate(queue, self.0.clock.ticks())
    }

    /// Seconds after which a submit to a full queue may find room: from its measured drain rate, spread by a fifth
    /// either way so that the refused do not come back together; 1 to 72.
    pub fn retry_after_full(&self, queue: &Name) -> u64 {
        let waiting = self.queue(queue).map_or(0, |stats| stats.waiting());
        crate::wait_estimate::retry_after_full(waiting, self.drain_rate(queue), rand::random())
    }

    /// What this engine did since its start.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// The same of each kind, by name; then of all kinds together that have no counters of their own: those that were heard of
    /// when there were [`raincheck_core::limits::METRIC_NAMES`] already.
    pub fn kind_counters(&self) -> (Vec<(Name, KindCounters)>, KindCounters) {
        self.0.by_kind.read()
    }

    /// Of each queue in which jobs are ready, by name: since when the one has been that is there for the longest, of the ten
    /// that are next in line of each kind.
    pub async fn oldest_ready(&self) -> Result<Vec<(Name, Timestamp)>, StoreError> {
        self.store().oldest_ready().await
    }
}
