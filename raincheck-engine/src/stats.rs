use std::collections::BTreeMap;

use parking_lot::Mutex;
use raincheck_core::{Millis, Name};

use crate::rate::Rate;

/// Share of the newest duration in the mean, once there are enough of them.
const NEWEST: f64 = 1.0 / 32.0;

/// How long jobs of a kind take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunTimes {
    /// Mean from start to success, milliseconds; recent jobs weigh more.
    pub mean_ms: f64,
    /// Successes it is drawn from, since the start.
    pub count: u64,
}

impl RunTimes {
    fn took(&mut self, millis: f64) {
        self.count += 1;
        self.mean_ms += (millis - self.mean_ms) * NEWEST.max(1.0 / self.count as f64);
    }
}

/// Durations of kinds and drain of queues, measured from the feed since the start. There are few, so that a tree
/// is quicker than a hash.
#[derive(Default)]
pub(crate) struct Stats {
    kinds: Mutex<BTreeMap<Name, RunTimes>>,
    queues: Mutex<BTreeMap<Name, Rate>>,
}

impl Stats {
    /// A job of `kind` succeeded this long after its start.
    pub(crate) fn took(&self, kind: &Name, millis: Millis) {
        let mut kinds = self.kinds.lock();
        // Looked up twice only for the first of a kind: names are cloned only then.
        match kinds.get_mut(kind) {
            Some(stats) => stats.took(millis.max(0) as f64),
            None => {
                kinds.insert(kind.clone(), RunTimes { mean_ms: millis.max(0) as f64, count: 1 });
            }
        }
    }

    /// A job left `queue` for a worker.
    pub(crate) fn left(&self, queue: &Name, now: Millis) {
        let mut queues = self.queues.lock();
        match queues.get_mut(queue) {
            Some(rate) => rate.happened(now),
            None => {
                let mut rate = Rate::new(now);
                rate.happened(now);
                queues.insert(queue.clone(), rate);
            }
        }
    }

    pub(crate) fn kind(&self, kind: &Name) -> Option<RunTimes> {
        self.kinds.lock().get(kind).copied()
    }

    pub(crate) fn drain_rate(&self, queue: &Name, now: Millis) -> Option<f64> {
        self.queues.lock().get(queue).and_then(|rate| rate.per_second(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_plain_first_and_follows_later() {
        let stats = Stats::default();
        let kind = Name::new("k").unwrap();
        assert_eq!(stats.kind(&kind), None);
        for millis in [100, 200, 300] {
            stats.took(&kind, millis);
        }
        assert_eq!(stats.kind(&kind), Some(RunTimes { mean_ms: 200.0, count: 3 }));
        for _ in 0..500 {
            stats.took(&kind, 1_000);
        }
        assert!(stats.kind(&kind).unwrap().mean_ms > 990.0);
    }
}
