use raincheck_core::NewJob;

use super::batch::{Batch, ClaimKey};

impl ClaimKey {
    /// The names that a submit goes by.
    pub fn of(new: &NewJob) -> impl Iterator<Item = ClaimKey> {
        let id = new.id.map(|id| ClaimKey::Id(id.0.as_bytes()[..].into()));
        let key = new.spec.key.as_ref().map(|key| ClaimKey::Key(new.queue.clone(), key.as_bytes().into()));
        let equal = new.equal.map(|digest| ClaimKey::Equal(new.queue.clone(), digest.into()));
        id.into_iter().chain(key).chain(equal)
    }

    pub fn key(&self) -> &[u8] {
        match self {
            ClaimKey::Id(key) | ClaimKey::Key(_, key) | ClaimKey::Equal(_, key) => key,
        }
    }
}

impl Batch<'_> {
    /// The number of a claim's scope, see the migration; `None` while its queue is not on disk.
    pub(super) fn scope(&self, key: &ClaimKey) -> Option<i64> {
        let number = |queue: &raincheck_core::Name| self.shared.queues.number(queue.as_str()).map(i64::from);
        match key {
            ClaimKey::Id(_) => Some(0),
            ClaimKey::Key(queue, _) => Some(2 * number(queue)? + 1),
            ClaimKey::Equal(queue, _) => Some(2 * number(queue)? + 2),
        }
    }
}
