//! How quickly a body comes. Only the time in which it is waited for counts, not what is done with it.

use std::time::Duration;

use raincheck_core::limits::SLOW_BYTES_PER_SECOND;

/// What came in a window of waiting, which begins anew when it was enough.
#[derive(Debug)]
pub struct Pace {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Judged over windows of so long.
    pub fn new(window: Duration) -> Self {
        Pace { window, waited: Duration::ZERO, bytes: 0 }
    }

    /// How long may still be waited for the next piece before it is to be judged.
    pub fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// What is said to whoever was too slow.
    pub fn too_slow(&self) -> String {
        let (window, least) = (self.window, SLOW_BYTES_PER_SECOND);
        format!("the body brought less than {least} bytes a second for {window:?} (`slow` in [limits]): send it faster")
    }

    /// So many bytes came after so long; answers whether it goes on.
    pub fn goes_on(&mut self, bytes: u64, waited: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.window {
            return true;
        }
        let least = self.window.as_secs_f64() * SLOW_BYTES_PER_SECOND as f64;
        let enough = self.bytes as f64 >= least;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_waiting_brings_enough_or_is_the_last() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(10 * second);
        // All at once, then a pause that is within the window.
        assert!(pace.goes_on(10 * SLOW_BYTES_PER_SECOND, Duration::ZERO));
        assert!(pace.goes_on(0, 9 * second));
        assert_eq!(pace.left(), second);
        assert!(pace.goes_on(0, second), "it was enough");
        assert_eq!(pace.left(), 10 * second);
        for _ in 0..9 {
            assert!(pace.goes_on(SLOW_BYTES_PER_SECOND, second));
        }
        assert!(!pace.goes_on(SLOW_BYTES_PER_SECOND - 1, second), "a byte too few");
    }
}
