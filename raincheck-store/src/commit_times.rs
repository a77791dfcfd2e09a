//! How long transactions take: a histogram that a writer fills and a scrape reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper ends of the buckets, microseconds; what takes longer is in one more.
pub const COMMIT_MICROS: [u64; 19] = [
    250, 500, 750, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000, 15_000, 25_000, 50_000,
    100_000, 250_000, 1_000_000,
];

/// How many transactions took how long, since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitTimes {
    /// For each end in [`COMMIT_MICROS`] how many took at most that and more than the one before; last, all others.
    pub counts: [u64; COMMIT_MICROS.len() + 1],
    /// Of all together, microseconds.
    pub sum_micros: u64,
}

/// The same while it is being filled.
#[derive(Debug, Default)]
pub(crate) struct CommitClock {
    counts: [AtomicU64; COMMIT_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl CommitClock {
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[COMMIT_MICROS.partition_point(|end| *end < micros)].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    pub fn read(&self) -> CommitTimes {
        CommitTimes {
            counts: std::array::from_fn(|index| self.counts[index].load(Relaxed)),
            sum_micros: self.sum_micros.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_belongs_to_its_bucket() {
        let clock = CommitClock::default();
        for micros in [0, 250, 251, 1_000_000, 1_000_001] {
            clock.record(Duration::from_micros(micros));
        }
        let times = clock.read();
        assert_eq!((times.counts[0], times.counts[1], times.counts[18], times.counts[19]), (2, 1, 1, 1));
        assert_eq!(times.sum_micros, 2_000_502);
    }
}
