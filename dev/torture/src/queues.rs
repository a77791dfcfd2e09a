//! Queues that every load has.

/// At most so many jobs run at once in the queue `narrow`.
pub const NARROW: u64 = 3;
/// At most so many wait in the queue `small`.
pub const SMALL: u64 = 5;
/// The queue and kind of what a campaign itself submits; it is not in the clients' log.
pub const PROBE: &str = "probe";
