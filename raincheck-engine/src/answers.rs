//! What became of a command, as whoever gave it hears it.

use raincheck_core::{Again, Job, Submitted, limits};
use raincheck_store::StoreError;

/// What becomes of a batch that is taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It was taken now; its jobs in order.
    Now(Vec<Submitted>),
    /// It had been taken before; its jobs in order.
    Again(Vec<Again>),
}

/// What a settle came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    /// The run has ended so, now or by an equal call before; the job after it.
    Done(Job),
    /// The run was over already, another way; the job as it is.
    LeaseLost(Job),
    /// The job is not there: it was purged, or the data came back without it.
    Gone,
}

/// What became of bytes for a stream or log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendAnswer {
    /// Those of this run are kept up to this offset.
    Done(u64),
    /// The run is over.
    LeaseLost,
    /// The stream or log is at its bound.
    Full,
    /// There is no such job any more.
    Gone,
}

/// What a call to stop came to.
#[derive(Clone, Debug, PartialEq)]
pub enum CancelAnswer {
    /// It is canceled, or its worker is asked to stop; the job after it.
    Done(Job),
    /// It was final before, and was not changed.
    Finished(Job),
    /// Other callers share it.
    Shared(Job),
    /// It has changed since the caller saw it.
    Changed,
    /// There is no such job any more.
    Gone,
}

/// What became of a job that is to run now.
#[derive(Clone, Debug, PartialEq)]
pub enum RunNowAnswer {
    /// It is due; the job after it.
    Done(Job),
    /// It does not wait for a time.
    NotWaiting(Job),
    /// It has changed since the caller saw it.
    Changed,
    /// There is no such job any more.
    Gone,
}

/// What a purge came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeAnswer {
    /// The job is forgotten.
    Done,
    /// It is not final.
    NotFinished,
    /// There is no such job any more.
    Gone,
}

/// Why a queue was not set.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It would be one more than there may be in use.
    #[error(
        "{} queues hold jobs or have settings, and no more may; purge old jobs, or set the settings of others back",
        limits::QUEUES
    )]
    TooMany,
    /// Its settings are not what the caller takes for granted.
    #[error("its settings have changed")]
    OtherVersion,
    /// The store failed; whether it was done is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a named object was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It is not as the caller takes for granted.
    #[error("it has changed")]
    OtherVersion,
    /// It would be one more than there may be.
    #[error("there are {} of its kind, and no more may be; delete others", limits::OBJECTS)]
    TooMany,
    /// The store failed; whether it was done is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}
