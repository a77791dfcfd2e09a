use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use raincheck_core::{Event, EventData, FailureCode, Submitted};

/// What this engine did since it started; every figure only grows. What other engines do on the same database is theirs to
/// count.
#[derive(Debug, Default)]
pub struct Counters {
    /// New jobs.
    pub submitted: AtomicU64,
    /// Submits that joined an equal job that waits or runs.
    pub coalesced: AtomicU64,
    /// Submits answered by the job under their key or chosen id.
    pub replayed: AtomicU64,
    /// Submits answered by an equal job that had succeeded.
    pub cached: AtomicU64,
    /// Submits refused.
    pub refused: AtomicU64,
    /// Runs handed to workers.
    pub leased: AtomicU64,
    /// Jobs that succeeded.
    pub succeeded: AtomicU64,
    /// Jobs that failed, expired ones included.
    pub failed: AtomicU64,
    /// Jobs called off.
    pub canceled: AtomicU64,
    /// Failed attempts that another one follows.
    pub retried: AtomicU64,
    /// Runs lost that another one follows.
    pub lost: AtomicU64,
    /// Runs given back.
    pub released: AtomicU64,
    /// Jobs not started by their `start_by`.
    pub expired: AtomicU64,
    /// Finished jobs forgotten.
    pub purged: AtomicU64,
    /// Progress reports kept.
    pub progress: AtomicU64,
    /// Transactions that changed something.
    pub commits: AtomicU64,
    /// Events written.
    pub events: AtomicU64,
    /// Errors of the loops behind the engine; each is logged too.
    pub loop_errors: AtomicU64,
    /// Broken promises that the check of the data found, anew in every round.
    pub violations: AtomicU64,
    /// Rounds of that check that came to the end.
    pub checkups: AtomicU64,
    /// Half-written payloads removed that nobody wrote any more.
    pub litter: AtomicU64,
}

impl Counters {
    pub(crate) fn count_submitted(&self, submitted: &[Submitted]) {
        for one in submitted {
            let counter = match one {
                Submitted::New(_) => &self.submitted,
                Submitted::Replayed(_) | Submitted::Existing(_) => &self.replayed,
                Submitted::Coalesced(_) => &self.coalesced,
                Submitted::Cached(_) => &self.cached,
            };
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn count_event(&self, event: &Event) {
        self.events.fetch_add(1, Relaxed);
        let counter = match &event.data {
            EventData::Started { .. } => &self.leased,
            EventData::Succeeded => &self.succeeded,
            EventData::Failed(failure) => {
                if failure.code == FailureCode::Expired {
                    self.expired.fetch_add(1, Relaxed);
                }
                &self.failed
            }
            EventData::Canceled => &self.canceled,
            EventData::Retrying { .. } => &self.retried,
            EventData::Lost { .. } => &self.lost,
            EventData::Released => &self.released,
            EventData::Progress(_) => &self.progress,
            EventData::Created { .. }
            | EventData::Queued
            | EventData::Blocked
            | EventData::CancelRequested
            | EventData::Gone(_) => return,
        };
        counter.fetch_add(1, Relaxed);
    }
}
