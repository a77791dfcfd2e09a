//! Names that stand for jobs.

use raincheck_core::interpreter::{self, Look, NameFacts, NewName};
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
                Look::Job(no) => facts.job = self.row(no).into(),
                Look::Tombstone(no) => facts.tombstone = self.tombstone(no).into(),
            }
        }
        facts
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
