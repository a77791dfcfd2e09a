use std::collections::BTreeMap;

use crate::job::Job;
use crate::name::Name;

/// How many more jobs may run, of queues and of kinds that have a cap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    queues: BTreeMap<Name, u64>,
    kinds: BTreeMap<Name, u64>,
}

impl Room {
    /// Of this queue so many run, and at most `cap` may; answers how many more.
    pub fn cap_queue(&mut self, queue: Name, cap: u32, running: u64) -> u64 {
        *self.queues.entry(queue).insert_entry(u64::from(cap).saturating_sub(running)).get()
    }

    /// The same of a kind.
    pub fn cap_kind(&mut self, kind: Name, cap: u32, running: u64) -> u64 {
        *self.kinds.entry(kind).insert_entry(u64::from(cap).saturating_sub(running)).get()
    }

    /// How many more of this queue and kind.
    pub fn of(&self, queue: &Name, kind: &Name) -> u64 {
        let room = |room: Option<&u64>| room.copied().unwrap_or(u64::MAX);
        room(self.queues.get(queue)).min(room(self.kinds.get(kind)))
    }

    /// Takes the place of one job, if there is one.
    pub fn take(&mut self, job: &Job) -> bool {
        let (queue, kind) = (self.queues.get_mut(&job.queue), self.kinds.get_mut(&job.kind));
        let fits = queue.as_deref() != Some(&0) && kind.as_deref() != Some(&0);
        for room in queue.into_iter().chain(kind).filter(|_| fits) {
            *room -= 1;
        }
        fits
    }
}
