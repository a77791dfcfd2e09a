//! How long a request may wait for its answer.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

/// How long an answer without a wait may take to begin. Long, because it only guards against a silent peer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// What is at hand goes out no slower than so many bytes a second, or it does not go out.
const SLOWEST: u64 = 16 * 1024;
/// How long the answer may take to begin.
pub(super) enum Patience {
    /// So long.
    Within(Duration),
    /// As long as more of the body is taken.
    WhileTaken(Taken),
    /// However long it takes.
    Endless,
}

impl Patience {
    /// Of a request whose body is so many bytes in memory.
    pub(super) fn at_hand(bytes: usize) -> Self {
        Self::Within(ANSWER_WITHIN + Duration::from_secs(bytes as u64 / SLOWEST))
    }
}

/// Bytes of a body that the connection has asked for.
pub(super) type Taken = Arc<AtomicU64>;
