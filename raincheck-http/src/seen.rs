//! What HTTP counts itself, for its metrics.

use std::sync::atomic::AtomicU64;

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Seen {
    /// Answers by the first digit of their status.
    pub by_class: [AtomicU64; 6],
    /// Connections open now.
    pub connections: AtomicU64,
}
