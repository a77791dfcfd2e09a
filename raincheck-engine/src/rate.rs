use raincheck_core::Millis;

/// The past weighs half after about 42 seconds.
const MEMORY_MILLIS: f64 = 60_000.0;
/// Below this many remembered happenings nothing is said.
const LEAST: f64 = 0.01;

/// How often something happens lately: exponentially decaying.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    remembered: f64,
    at: Millis,
    since: Millis,
}

impl Rate {
    pub(crate) fn new(now: Millis) -> Self {
        Rate { remembered: 0.0, at: now, since: now }
    }

    /// It happened once more.
    pub(crate) fn happened(&mut self, now: Millis) {
        self.remembered = self.left(now) + 1.0;
        self.at = now.max(self.at);
    }

    /// Times a second; `None` when it has not happened for long.
    pub(crate) fn per_second(&self, now: Millis) -> Option<f64> {
        let left = self.left(now);
        // What a memory this young can hold at most; at least a second, or the first jobs would look like a flood.
        let age = now.saturating_sub(self.since).max(1_000) as f64;
        let full = MEMORY_MILLIS / 1_000.0 * (1.0 - (-age / MEMORY_MILLIS).exp());
        (left > LEAST).then_some(left / full)
    }

    fn left(&self, now: Millis) -> f64 {
        let passed = now.saturating_sub(self.at).max(0) as f64;
        self.remembered * (-passed / MEMORY_MILLIS).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_rate_young_and_old_and_forgets() {
        let mut rate = Rate::new(0);
        assert_eq!(rate.per_second(0), None);
        for step in 1..=200 {
            rate.happened(step * 100);
        }
        let young = rate.per_second(20_000).unwrap();
        assert!((9.0..11.0).contains(&young), "{young}");
        for step in 201..=3_000 {
            rate.happened(step * 100);
        }
        let old = rate.per_second(300_000).unwrap();
        assert!((9.0..11.0).contains(&old), "{old}");
        assert!(rate.per_second(330_000).unwrap() < old);
        assert_eq!(rate.per_second(3_000_000), None);
    }
}
