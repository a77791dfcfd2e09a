/// A length of time in whole milliseconds.
pub type Millis = i64;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z (Unix time, leap seconds not counted).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This point moved by `delta` milliseconds; stays within range instead of overflowing.
    #[must_use]
    pub fn plus(self, delta: Millis) -> Self {
        Timestamp(self.0.saturating_add(delta))
    }

    /// Milliseconds from `earlier` to this point; negative when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Millis {
        self.0.saturating_sub(earlier.0)
    }
}
