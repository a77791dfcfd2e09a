use raincheck_core::interpreter::{Claim, Fact, Look, NameFacts, NewName};
use raincheck_core::{ClaimScope, Name, NewJob};

use super::batch::{Batch, ClaimKey};

impl ClaimKey {
    /// A name where it is unique.
    pub fn of(scope: ClaimScope, queue: &Name, key: Box<[u8]>) -> Self {
        match scope {
            ClaimScope::Id => ClaimKey::Id(key),
            ClaimScope::Key => ClaimKey::Key(queue.clone(), key),
            ClaimScope::Equal => ClaimKey::Equal(queue.clone(), key),
        }
    }

    /// The names that a submit goes by.
    pub fn all_of(new: &NewJob) -> impl Iterator<Item = ClaimKey> {
        let names = [new.chosen_id(), new.key_name(), new.equal_name()];
        names.into_iter().flatten().map(|name| ClaimKey::of(name.scope, &new.queue, name.key.into()))
    }

    pub fn key(&self) -> &[u8] {
        match self {
            ClaimKey::Id(key) | ClaimKey::Key(_, key) | ClaimKey::Equal(_, key) => key,
        }
    }
}

impl Batch<'_> {
    /// What is known of a name of a new job in this queue.
    pub(super) fn stands_for(&self, name: Option<NewName<'_>>, queue: &Name) -> NameFacts {
        let mut facts = NameFacts::default();
        let Some(name) = name else { return facts };
        loop {
            let before = facts.next(name);
            match before {
                Some(Look::Claim) => {
                    let key = ClaimKey::of(name.scope, queue, name.key.into());
                    facts.claim = match self.claims.get(&key) {
                        Some(known) => known.map(|claim| Claim { no: claim.no, fingerprint: claim.fingerprint }).into(),
                        // Nothing can stand under a name in a queue that is not on disk.
                        None if self.scope(&key).is_none() => Fact::Absent,
                        None => Fact::NotAsked,
                    };
                }
                Some(Look::Job(no)) => {
                    if let Some(known) = self.jobs.get(&no) {
                        facts.job = known.as_ref().map(|entry| entry.job.clone()).into();
                    }
                }
                Some(Look::Tombstone(no)) => {
                    if let Some(known) = self.tombstones.get(&no) {
                        facts.tombstone = (*known).into();
                    }
                }
                None => return facts,
            }
            if facts.next(name) == before {
                return facts;
            }
        }
    }

    /// The numbers of a claim's scope and queue; `None` while its queue is not on disk.
    pub(super) fn scope(&self, key: &ClaimKey) -> Option<(i16, i32)> {
        let number = |queue: &Name| self.shared.queues.number(queue.as_str());
        match key {
            ClaimKey::Id(_) => Some((ClaimScope::Id as i16, 0)),
            ClaimKey::Key(queue, _) => Some((ClaimScope::Key as i16, number(queue)?)),
            ClaimKey::Equal(queue, _) => Some((ClaimScope::Equal as i16, number(queue)?)),
        }
    }
}
