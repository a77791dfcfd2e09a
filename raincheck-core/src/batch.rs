//! Jobs that are submitted together, under a name that makes it safe to ask again.

use crate::fingerprint::batch_fingerprint;
use crate::job::NewJob;
use crate::limits;
use crate::payload::Digest;
use crate::resolve::{Invalid, wrong};

/// New jobs and the name of their batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Its request id and fingerprint: a repeated request is known by them.
    pub name: BatchName,
    /// Its jobs, all or none.
    pub jobs: Vec<NewJob>,
}

/// What a batch goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchName {
    /// The request id, unique in the whole store.
    pub id: Box<str>,
    /// Digest of what was asked for under it.
    pub fingerprint: Digest,
}

impl Batch {
    /// The batch of `jobs`, each of which was compared as one of a batch: see [`NewJob::of_batch`].
    pub fn new(id: &str, jobs: Vec<NewJob>) -> Self {
        Batch { name: BatchName { id: id.into(), fingerprint: batch_fingerprint(&jobs) }, jobs }
    }

    /// Whether a text may be a request id: the rule is that of keys.
    pub fn check_id(id: &str) -> Result<(), Invalid> {
        wrong(id, 1, limits::KEY_BYTES).map_or(Ok(()), |detail| Err(Invalid::new("request_id", detail)))
    }
}
