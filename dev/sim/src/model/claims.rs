//! Names that stand for jobs.

use raincheck_core::interpreter::{self, BatchClaim, BatchFacts, BatchJob, Look, NameFacts, NewName};
use raincheck_core::{ClaimScope, Digest, Job, JobId, JobNo, Name};

use super::disk::Claim;
use super::{Model, Stop};
use crate::Flaw;

impl Model {
    pub(super) fn row(&self, no: JobNo) -> Option<Job> {
        self.disk.jobs.get(no).cloned()
    }

    /// What a name of a new job in this queue stands for.
    pub(super) fn stands_for(&self, name: Option<NewName<'_>>, queue: &Name) -> NameFacts {
        let mut facts = NameFacts::default();
        let Some(name) = name else { return facts };
        let early = self.has(Flaw::LookThenInsert) && name.scope == ClaimScope::Key;
        while let Some(look) = facts.next(name) {
            match look {
                Look::Claim => {
                    let stored = Claim::of(name.scope, queue, name.key).and_then(|claim| match early {
                        true => self.disk.claims.committed(&claim),
                        false => self.disk.claims.get(&claim),
                    });
                    facts.claim = stored.map(|&(no, fingerprint)| interpreter::Claim { no, fingerprint }).into();
                }
                Look::Job(no) => facts.job = self.row(no).map(Box::new).into(),
                Look::Tombstone(no) => facts.tombstone = self.tombstone(no).into(),
            }
        }
        facts
    }

    /// What the request id of a batch stands for.
    pub(super) fn batch_facts(&self, id: &str) -> BatchFacts {
        let claim = Claim::Batch(id.as_bytes().into());
        let mut facts = BatchFacts::default();
        while let Some(look) = facts.next() {
            match look {
                Look::Claim => {
                    let found = self.disk.claims.get(&claim).zip(self.disk.batches.get(&claim));
                    let found = found.map(|((_, print), jobs)| BatchClaim { jobs: jobs.clone(), fingerprint: *print });
                    facts.claim = found.into();
                }
                Look::Job(no) => facts.jobs.push(BatchJob { job: self.row(no).into(), ..BatchJob::default() }),
                Look::Tombstone(no) => {
                    let found = self.tombstone(no);
                    facts.jobs.iter_mut().last().into_iter().for_each(|job| job.tombstone = found.into());
                }
            }
        }
        facts
    }

    pub(super) fn claim_batch(&mut self, id: &str, BatchClaim { jobs, fingerprint }: BatchClaim) -> Result<(), Stop> {
        let (claim, no) = (Claim::Batch(id.as_bytes().into()), jobs.last().copied());
        let Some(no) = no.filter(|_| !self.has(Flaw::BatchWithoutName)) else { return Ok(()) };
        self.disk.batches.set(claim.clone(), jobs);
        self.claim(claim, no, fingerprint)
    }

    /// A job is not remembered any more: the request ids that go by it go by another one of their jobs, or are forgotten.
    pub(super) fn pass_on(&mut self, no: JobNo) -> Result<(), Stop> {
        for claim in self.disk.claims_of.get(&no).cloned().unwrap_or_default() {
            let (Some(jobs), Some((_, fingerprint))) = (self.disk.batches.get(&claim), self.disk.claims.get(&claim))
            else {
                continue;
            };
            let is_remembered = |other: &&JobNo| self.row(**other).is_some() || self.tombstone(**other).is_some();
            let (other, fingerprint) = (jobs.iter().rev().find(is_remembered).copied(), *fingerprint);
            self.unclaim(no, |it| *it == claim);
            match other {
                Some(other) => self.claim(claim, other, fingerprint)?,
                None => drop(self.disk.batches.remove(&claim)),
            }
        }
        Ok(())
    }

    pub(super) fn tombstone(&self, no: JobNo) -> Option<JobId> {
        self.disk.tombstones.get(&no).map(|(id, _)| *id)
    }

    /// Lets a name stand for a job. Ids and keys do so once, names of equal jobs move on to the newest.
    pub(super) fn claim(&mut self, claim: Claim, no: JobNo, fingerprint: Digest) -> Result<(), Stop> {
        let unique = !matches!(claim, Claim::Equal(..)) && !self.has(Flaw::LookThenInsert);
        if unique && self.disk.claims.get(&claim).is_some() {
            return Err(Stop::Refused(format!("{claim:?} is taken")));
        }
        if let Some((before, _)) = self.disk.claims.get(&claim).copied() {
            let left = self.disk.claims_of.get(&before).into_iter().flatten();
            let left = left.filter(|other| **other != claim).cloned().collect();
            self.disk.claims_of.set(before, left);
        }
        let mut all = self.disk.claims_of.get(&no).cloned().unwrap_or_default();
        all.push(claim.clone());
        self.disk.claims_of.set(no, all);
        self.disk.claims.set(claim, (no, fingerprint));
        Ok(())
    }

    /// Forgets those names of a job that `goes` picks.
    pub(super) fn unclaim(&mut self, no: JobNo, goes: impl Fn(&Claim) -> bool) {
        let Some(all) = self.disk.claims_of.remove(&no) else { return };
        let (gone, left): (Vec<_>, Vec<_>) = all.into_iter().partition(goes);
        for claim in gone {
            self.disk.claims.remove(&claim);
        }
        if !left.is_empty() {
            self.disk.claims_of.set(no, left);
        }
    }
}
