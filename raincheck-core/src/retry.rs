use rand::{Rng, RngExt};

use crate::limits;
use crate::time::Millis;

/// When a failed job is tried again: exponential, capped, with full jitter
/// (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Failed attempts after which the job fails for good; at least 1.
    pub max_attempts: u32,
    /// Bound of the first wait, milliseconds.
    pub initial: Millis,
    /// Growth of the bound per failure; at least 1.
    pub factor: f64,
    /// The bound never exceeds this, milliseconds.
    pub max: Millis,
    /// Draw the wait from the whole range `0..=bound` (full jitter) instead of waiting the bound itself.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_attempts: limits::MAX_ATTEMPTS_DEFAULT,
            initial: limits::RETRY_INITIAL_MILLIS,
            factor: 2.0,
            max: limits::RETRY_MAX_MILLIS,
            jitter: true,
        }
    }
}

impl RetryPolicy {
    /// Milliseconds to wait after the `failures`-th failure (counted from 1).
    pub fn delay(&self, failures: u32, rng: &mut dyn Rng) -> Millis {
        let exponent = failures.saturating_sub(1).min(1_000) as i32;
        let grown = self.initial as f64 * self.factor.powi(exponent);
        // A float beyond the range saturates in `as`; NaN (0 x infinity) becomes 0.
        let bound = (grown as Millis).clamp(0, self.max);
        if self.jitter && bound > 0 { rng.random_range(0..=bound) } else { bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn bounds_grow_and_are_capped() {
        let policy = RetryPolicy { jitter: false, initial: 1_000, factor: 2.0, max: 10_000, max_attempts: 9 };
        let mut rng = StdRng::seed_from_u64(0);
        let waits: Vec<_> = (1..=6).map(|n| policy.delay(n, &mut rng)).collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    }

    proptest! {
        #[test]
        fn never_outside_its_bound(initial in 0i64..1_000_000, factor in 1.0f64..100.0, max in 0i64..1_000_000,
                                   failures in 0u32..u32::MAX, jitter: bool, seed: u64) {
            let policy = RetryPolicy { max_attempts: 5, initial, factor, max, jitter };
            let wait = policy.delay(failures, &mut StdRng::seed_from_u64(seed));
            prop_assert!((0..=max).contains(&wait));
        }
    }
}
