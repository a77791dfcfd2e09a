//! What a batch comes to that was taken before.

use std::sync::Arc;

use super::facts::{Fact, NotAsked};
use super::submit::Look;
use crate::batch::BatchName;
use crate::command::{Again, Refusal, Reply};
use crate::id::{JobId, JobNo};
use crate::job::Job;
use crate::payload::Digest;
use crate::time::Timestamp;

/// What the request id of a batch stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchClaim {
    /// The jobs that the batch came to, in its order; one may be there twice.
    pub jobs: Arc<[JobNo]>,
    /// Digest of what was asked for under it.
    pub fingerprint: Digest,
}

/// What is known of the request id of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchFacts {
    /// What it stands for.
    pub claim: Fact<BatchClaim>,
    /// The first of its jobs, as many as were looked up.
    pub jobs: Vec<BatchJob>,
}

/// A job of a batch that was taken before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchJob {
    /// The row of the job, looked up by its number.
    pub job: Fact<Job>,
    /// Its id, as what remembers its purge says.
    pub tombstone: Fact<JobId>,
}

impl BatchFacts {
    /// What must be looked up next, one thing after the other. A [`Look::Job`] is answered by one more of the jobs, a
    /// [`Look::Tombstone`] is about the last of them.
    pub fn next(&self) -> Option<Look> {
        let claim = match &self.claim {
            Fact::NotAsked => return Some(Look::Claim),
            Fact::Absent => return None,
            Fact::Here(claim) => claim,
        };
        match self.jobs.last() {
            Some(BatchJob { job: Fact::Absent, tombstone: Fact::NotAsked }) => {
                claim.jobs.get(self.jobs.len() - 1).copied().map(Look::Tombstone)
            }
            _ => claim.jobs.get(self.jobs.len()).copied().map(Look::Job),
        }
    }
}

/// The answer to a batch whose request id stands for one already; `None` where it does not.
pub fn again(name: &BatchName, facts: BatchFacts, now: Timestamp) -> Result<Option<Reply>, NotAsked> {
    let Some(claim) = facts.claim.known("what a request id stands for")? else { return Ok(None) };
    if claim.fingerprint != name.fingerprint {
        return Ok(Some(Reply::Refused(0, Refusal::BatchReused)));
    }
    if facts.jobs.len() < claim.jobs.len() {
        return Err(NotAsked("the jobs of a batch"));
    }
    let mut all = Vec::with_capacity(facts.jobs.len());
    for (index, BatchJob { job, tombstone }) in facts.jobs.into_iter().enumerate() {
        all.push(match job.known("a job of a batch")? {
            Some(job) if job.is_expired(now) => Again::Purged(job.id),
            Some(job) => Again::Here(job),
            None => match tombstone.known("what is left of a job of a batch")? {
                Some(id) => Again::Purged(id),
                None => return Ok(Some(Reply::Refused(index, Refusal::BatchForgotten))),
            },
        });
    }
    Ok(Some(Reply::Again(all)))
}
