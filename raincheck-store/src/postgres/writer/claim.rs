//! Names that stand for jobs, as a transaction knows them.

use std::sync::Arc;

use raincheck_core::interpreter::BatchClaim;
use raincheck_core::{ClaimScope, Command, Digest, JobNo, Name};

/// A name that stands for a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ClaimKey {
    Id(Box<[u8]>),
    Key(Name, Box<[u8]>),
    Equal(Name, Box<[u8]>),
    Batch(Box<[u8]>),
}

/// What stands under it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub no: JobNo,
    pub fingerprint: Digest,
    /// Of a batch, all that it stands for.
    pub jobs: Option<Arc<[JobNo]>>,
    pub write: ClaimWrite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimWrite {
    None,
    Insert,
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
