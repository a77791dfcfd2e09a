use raincheck_core::interpreter::{BatchClaim, BatchFacts, BatchJob, Claim, Fact, Look, NameFacts, NewName};
use raincheck_core::{ClaimScope, Job, JobId, JobNo, Name};

use super::batch::Batch;
use super::claim::{self, ClaimKey, ClaimWrite};
use crate::postgres::error::PgError;

impl Batch<'_> {
    /// What is known of a name of a new job in this queue.
    pub(crate) fn stands_for(&self, name: Option<NewName<'_>>, queue: &Name) -> NameFacts {
        let mut facts = NameFacts::default();
        let Some(name) = name else { return facts };
        loop {
            let before = facts.next(name);
            match before {
                Some(Look::Claim) => {
                    let key = ClaimKey::of(name.scope, queue, name.key.into());
                    facts.claim = match self.claims.get(&key) {
                        Some(known) => {
                            known.as_ref().map(|claim| Claim { no: claim.no, fingerprint: claim.fingerprint }).into()
                        }
                        // Nothing can stand under a name in a queue that is not on disk.
                        None if self.scope(&key).is_none() => Fact::Absent,
                        None => Fact::NotAsked,
                    };
                }
                Some(Look::Job(no)) => facts.job = self.job_fact(no),
                Some(Look::Tombstone(no)) => facts.tombstone = self.tombstone_fact(no),
                None => return facts,
            }
            if facts.next(name) == before {
                return facts;
            }
        }
    }

    fn job_fact(&self, no: JobNo) -> Fact<Job> {
        self.jobs.get(&no).map_or(Fact::NotAsked, |known| known.as_ref().map(|entry| entry.job.clone()).into())
    }

    fn tombstone_fact(&self, no: JobNo) -> Fact<JobId> {
        self.tombstones.get(&no).map_or(Fact::NotAsked, |known| (*known).into())
    }

    /// What is known of the request id of a batch.
    pub(crate) fn batch_facts(&self, id: &str) -> BatchFacts {
        let Some(known) = self.claims.get(&ClaimKey::of_batch(id)) else { return BatchFacts::default() };
        let claim = known.as_ref().and_then(claim::Claim::of_batch);
        let jobs = claim.iter().flat_map(|claim| claim.jobs.iter());
        let jobs = jobs.map(|no| BatchJob { job: self.job_fact(*no), tombstone: self.tombstone_fact(*no) }).collect();
        BatchFacts { claim: claim.into(), jobs }
    }

    /// Lets the request id of a batch stand for its jobs.
    pub(crate) fn claim_batch(
        &mut self,
        id: &str,
        BatchClaim { jobs, fingerprint }: BatchClaim,
    ) -> Result<(), PgError> {
        let key = ClaimKey::of_batch(id);
        if matches!(self.claims.get(&key), Some(Some(_))) {
            return Err(PgError::Refused("a request id stands for two batches"));
        }
        let no = jobs.last().copied().ok_or(PgError::Refused("a batch of no jobs"))?;
        let claim = claim::Claim { no, fingerprint, jobs: Some(jobs), write: ClaimWrite::Insert };
        self.claims.insert(key, Some(claim));
        Ok(())
    }

    /// The numbers of a claim's scope and queue; `None` while its queue is not on disk.
    pub(crate) fn scope(&self, key: &ClaimKey) -> Option<(i16, i32)> {
        let number = |queue: &Name| self.shared.names.queues.number(queue.as_str());
        match key {
            ClaimKey::Id(_) => Some((ClaimScope::Id as i16, 0)),
            ClaimKey::Batch(_) => Some((ClaimScope::Batch as i16, 0)),
            ClaimKey::Key(queue, _) => Some((ClaimScope::Key as i16, number(queue)?)),
            ClaimKey::Equal(queue, _) => Some((ClaimScope::Equal as i16, number(queue)?)),
        }
    }
}
