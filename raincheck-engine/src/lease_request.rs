use std::fmt;

use raincheck_core::{Job, LeaseRef, Millis, Name, Outcome, Pattern, Spec};
use raincheck_store::StoreError;

use crate::Finish;

/// Which worker asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerId {
    /// Its name, for people and for the records of lost runs.
    pub name: Box<str>,
    /// The version of its program.
    pub version: Option<Box<str>>,
    /// Why it can take no jobs now, in its own words; gone with its next request without it.
    pub trouble: Option<Box<str>>,
}

/// A worker's request for work, and what became of the work it had.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// Which worker asks, by what it says of itself.
    pub worker: WorkerId,
    /// From these queues; empty is all.
    pub queues: Vec<Name>,
    /// Of these kinds; without kinds and patterns of any kind in the queues, and without those there is nothing to lease.
    pub kinds: Vec<Name>,
    /// Of the kinds that one of these matches, too.
    pub patterns: Vec<Pattern>,
    /// At most so many jobs; 0 only finishes. Bounded by [`raincheck_core::limits::LEASE_JOBS`].
    pub max: usize,
    /// How long to wait for the first job, milliseconds; with ends in `finish` the answer comes at once.
    pub wait: Millis,
    /// Length of the leases, milliseconds; kept within [`raincheck_core::limits::TTL_LEAST_MILLIS`] and [`raincheck_core::limits::TTL_MOST_MILLIS`].
    pub ttl: Millis,
    /// The worker's own name for this request: the same again gets the same leases while they last.
    pub request_id: Option<String>,
    /// Ends of earlier runs, recorded before anything is leased, in the same transaction.
    pub finish: Vec<(LeaseRef, Outcome)>,
}

/// A job handed to a worker.
#[derive(Clone, PartialEq)]
pub struct Leased {
    /// What the worker shows to heartbeat and to finish. Unguessable; keep it out of logs.
    pub lease: String,
    /// The job.
    pub job: Job,
    /// What was asked for, with the input unless that is a file.
    pub spec: Spec,
    /// The lease ends this long after the answer, milliseconds, unless a heartbeat comes.
    pub ttl: Millis,
    /// Send heartbeats this often, milliseconds.
    pub heartbeat: Millis,
}

impl fmt::Debug for Leased {
    /// Without the lease string, which is a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").field("run", &self.job.lease_ref()).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// What a worker gets.
#[derive(Clone, Debug, Default)]
pub struct LeaseAnswer {
    /// Work; empty when none came in time.
    pub leases: Vec<Leased>,
    /// What became of each end in the request, in order.
    pub finished: Vec<Finish>,
    /// The server is about to stop and hands out no more work.
    pub drain: bool,
}

/// Why a worker got no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LeaseError {
    /// So many names are waited for already that this request cannot wait.
    #[error("too many workers wait for too many kinds")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
