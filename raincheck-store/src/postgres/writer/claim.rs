//! Names that stand for jobs, as a transaction knows them.

use std::sync::Arc;

use raincheck_core::interpreter::BatchClaim;
use raincheck_core::{ClaimScope, Command, Digest, JobNo, Name};

/// A name that stands for a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ClaimKey {
    /// A chosen id.
    Id(Box<[u8]>),
    /// An idempotency key in a queue.
    Key(Name, Box<[u8]>),
    /// What equal jobs of a queue have in common.
    Equal(Name, Box<[u8]>),
    /// The request id of a batch.
    Batch(Box<[u8]>),
}

/// What stands under it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The job; of a batch, one of them.
    pub no: JobNo,
    /// Of what was asked for under the name.
    pub fingerprint: Digest,
    /// Of a batch, all that it stands for.
    pub jobs: Option<Arc<[JobNo]>>,
    /// What its row is still to be told.
    pub write: ClaimWrite,
}

/// What is to be done about the row of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimWrite {
    /// Nothing: the row says so.
    None,
    /// There is none yet.
    Insert,
    /// It names another job.
    Move,
}

impl ClaimKey {
    /// A name where it is unique.
    pub fn of(scope: ClaimScope, queue: &Name, key: Box<[u8]>) -> Self {
        match scope {
            ClaimScope::Id => ClaimKey::Id(key),
            ClaimScope::Key => ClaimKey::Key(queue.clone(), key),
            ClaimScope::Equal => ClaimKey::Equal(queue.clone(), key),
            ClaimScope::Batch => ClaimKey::Batch(key),
        }
    }

    /// The request id of a batch.
    pub fn of_batch(id: &str) -> Self {
        ClaimKey::Batch(id.as_bytes().into())
    }

    /// The names that a submit goes by.
    pub fn all_of(submit: &Command) -> impl Iterator<Item = ClaimKey> {
        let batch = if let Command::SubmitBatch(batch) = submit { Some(&batch.name) } else { None };
        let names = submit.new_jobs().iter().flat_map(|new| {
            let names = [new.chosen_id(), new.key_name(), new.equal_name()];
            names.into_iter().flatten().map(|name| ClaimKey::of(name.scope, &new.queue, name.key.into()))
        });
        batch.into_iter().map(|name| ClaimKey::of_batch(&name.id)).chain(names)
    }

    pub fn key(&self) -> &[u8] {
        match self {
            ClaimKey::Id(key) | ClaimKey::Batch(key) | ClaimKey::Key(_, key) | ClaimKey::Equal(_, key) => key,
        }
    }
}

impl Claim {
    /// What the request id of a batch stands for.
    pub fn of_batch(&self) -> Option<BatchClaim> {
        Some(BatchClaim { jobs: self.jobs.clone()?, fingerprint: self.fingerprint })
    }
}
