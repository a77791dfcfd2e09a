//! Names that stand for jobs.

use raincheck_core::decide::Known;
use raincheck_core::{ClaimScope, Digest, Job, JobId, JobNo, Name};

use super::disk::Claim;
use super::{Model, Stop};
use crate::Flaw;

impl Model {
    pub(super) fn row(&self, no: JobNo) -> Option<Job> {
        self.disk.jobs.get(no).cloned()
    }

    /// What stands under a name: the job, or the fact that it was purged.
    pub(super) fn known(&self, scope: ClaimScope, queue: &Name, key: &[u8]) -> Option<Known> {
        let claim = Claim::of(scope, queue, key)?;
        let early = self.has(Flaw::LookThenInsert) && scope == ClaimScope::Key;
        let stored = if early { self.disk.claims.committed(&claim) } else { self.disk.claims.get(&claim) };
        let (no, fingerprint) = *stored?;
        let job = self.row(no);
        let id = job.as_ref().map(|job| job.id).or_else(|| self.tombstone(no))?;
        Some(Known { fingerprint, id, job })
    }

    /// What stands under an id that a client chose: the job submitted under it, or one the store itself gave it to.
    pub(super) fn chosen(&self, id: JobId, asked: &Digest) -> Option<Known> {
        // The scope of ids is the whole store: any queue will do.
        if let Some(&(no, fingerprint)) = self.disk.claims.get(&Claim::Id(id)) {
            let job = self.row(no);
            let id = job.as_ref().map(|job| job.id).or_else(|| self.tombstone(no))?;
            return Some(Known { fingerprint, id, job });
        }
        let (no, _) = id.parts()?;
        let job = self.row(no).filter(|job| job.id == id);
        let taken = job.is_some() || self.tombstone(no) == Some(id);
        taken.then(|| Known { fingerprint: asked.map(|byte| !byte), id, job })
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
