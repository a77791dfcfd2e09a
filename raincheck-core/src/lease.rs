use crate::failure::Failure;
use crate::id::JobNo;
use crate::payload::Content;
use crate::time::Millis;

/// One run of one job: what a lease is bound to, and what guards every write of that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseRef {
    /// The job.
    pub no: JobNo,
    /// Which lease of it, from 1.
    pub attempt: u32,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With a result.
    Complete(Content),
    /// With an error.
    Fail {
        /// What went wrong.
        failure: Failure,
        /// Whether another attempt makes sense.
        retryable: bool,
        /// Wait this long before the next attempt instead of what the policy says.
        retry_after: Option<Millis>,
    },
    /// Given back without using up an attempt, to be queued again after `delay`.
    Release {
        /// Milliseconds.
        delay: Millis,
    },
    /// Nobody reported within the lease.
    Lost,
    /// The attempt ran over its timeout.
    TimedOut,
}

/// Why a running lease needs the sweeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// No heartbeat within its length.
    Lost,
    /// Longer than the job's timeout.
    TimedOut,
}

/// The two byte logs of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChunkKind {
    /// What the run sends to the caller.
    Stream = 0,
    /// What the run writes for operators.
    Log = 1,
}
