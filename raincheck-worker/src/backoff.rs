//! Pauses between tries: doubling, capped, and spread so that a thousand clients do not come back at once.

use std::time::Duration;

use rand::RngExt as _;

use crate::TransportError;

/// The pauses of one series of failures.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);

    /// A success: the next failure starts over.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to pause after this failure; never shorter than the server asked for.
    pub fn after(&mut self, error: &impl TransportError) -> Duration {
        let pause = self.next_pause();
        error.retry_after().map_or(pause, |asked| asked.max(pause))
    }

    /// How long to pause now: between half and all of the step.
    pub fn next_pause(&mut self) -> Duration {
        let step = Self::FIRST.saturating_mul(1 << self.failures.min(10)).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Pauses after this failure.
    pub async fn pause(&mut self, error: &impl TransportError) {
        tokio::time::sleep(self.after(error)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_cap_and_starts_over() {
        let mut backoff = Backoff::default();
        assert!(backoff.next_pause() <= Backoff::FIRST);
        for _ in 0..100 {
            let pause = backoff.next_pause();
            assert!(pause >= Backoff::FIRST / 2 && pause <= Backoff::LONGEST);
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Backoff::FIRST);
    }
}
