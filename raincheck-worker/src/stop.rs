//! The order to stop a run, with its reason. The first reason stays.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a run should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Someone canceled the job.
    Canceled,
    /// The lease is over: timed out, or given to another. Whatever the run still does is in vain.
    Lost,
    /// It has written more than the server takes: its result or its stream is over the limit. The run fails, whatever
    /// it says.
    Refused,
    /// The worker stops, and the time that it gives its runs is over.
    Drain,
}

/// The order itself; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Gives the order. A later one changes nothing.
    pub fn order(&self, reason: StopReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// The reason, once it was given.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Resolves when it is given.
    pub async fn ordered(&self) -> StopReason {
        self.token.cancelled().await;
        self.reason().unwrap_or(StopReason::Lost)
    }

    /// The order as a token, for code that takes one.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
