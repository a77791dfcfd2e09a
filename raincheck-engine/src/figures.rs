use raincheck_core::Name;
use raincheck_store::{Figures, QueueFigures, StoreError};

use crate::{Counters, Engine, KindStats, WorkerInfo};

impl Engine {
    /// Kept figures of everything.
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        self.store().figures().await
    }

    /// Kept figures of one queue, from memory; `None` when there is no such queue.
    pub fn queue(&self, name: &Name) -> Option<QueueFigures> {
        self.store().queue(name)
    }

    /// Workers seen in the last ten minutes, by name; in memory, of this process.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.0.workers.list(self.0.clock.ticks())
    }

    /// How long jobs of a kind took lately; `None` until one succeeded since the start.
    pub fn kind_stats(&self, kind: &Name) -> Option<KindStats> {
        self.0.stats.kind(kind)
    }

    /// Whether somebody asked for jobs of this kind within two minutes, or waits for them now. Who takes any kind of a
    /// queue counts where that is given.
    pub fn served(&self, queue: Option<&Name>, kind: &Name) -> bool {
        self.0.dispatch.waits_for(queue, kind) || self.0.workers.serve(queue, kind, self.0.clock.ticks())
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
        let waiting = self.queue(queue).map_or(0, |figures| figures.waiting());
        crate::outlook::retry_after_full(waiting, self.drain_rate(queue), rand::random())
    }

    /// What happened since the start.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }
}
