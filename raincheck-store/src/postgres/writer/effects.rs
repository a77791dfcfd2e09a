use std::collections::HashMap;
use std::sync::atomic::Ordering;

use raincheck_core::{Name, QueueSettings, Reply};

use super::batch::Batch;
use super::overlay::LeaseChange;
use super::transaction::Done;
use crate::postgres::shared::Shared;
use crate::postgres::tables::counters::Counts;

/// What is left of a transaction when it has ended, to be made known or to be forgotten.
pub(crate) struct CommitEffects {
    lease_changes: Vec<LeaseChange>,
    moves: HashMap<(Name, Name), Counts>,
    settings: HashMap<Name, QueueSettings>,
    due: Option<i64>,
    expiration: Option<i64>,
    named: Vec<(bool, i32)>,
    /// A sweep took what was due next: look for the next after it.
    pub swept: bool,
    left_over: bool,
}

impl CommitEffects {
    pub fn of(batch: Batch<'_>) -> Self {
        CommitEffects {
            lease_changes: batch.lease_changes,
            moves: batch.moves,
            settings: batch.settings,
            due: batch.due.into_iter().min(),
            expiration: batch.expirations.into_iter().min(),
            named: batch.named,
            swept: batch.swept,
            left_over: batch.left_over,
        }
    }

    /// Makes known what is on disk.
    pub fn publish(self, shared: &Shared, done: Done) -> Vec<Vec<Reply>> {
        let mut counters = shared.counters.write();
        for ((queue, kind), counts) in self.moves {
            counters.add(queue, kind, &counts);
        }
        for (queue, settings) in self.settings {
            counters.queues.entry(queue).or_default().settings = settings;
        }
        drop(counters);
        shared.next_due.fetch_min(self.due.unwrap_or(i64::MAX), Ordering::AcqRel);
        shared.next_retirement.fetch_min(self.expiration.unwrap_or(i64::MAX), Ordering::AcqRel);
        shared.left_over.fetch_or(self.left_over, Ordering::AcqRel);
        if !self.lease_changes.is_empty() {
            let mut leases = shared.leases.lock();
            for change in self.lease_changes {
                match change {
                    LeaseChange::Start(kept) => leases.put(kept),
                    LeaseChange::Extend(lease, ttl, until) => leases.hand_over(lease, ttl, until),
                    LeaseChange::AskToStop(lease) => leases.ask_to_stop(lease),
                    LeaseChange::End(lease) => leases.end(lease),
                }
            }
        }
        if let Some(published) = done.published {
            shared.feed.publish(published);
            shared.hints.wrote.notify_one();
        }
        done.replies
    }

    /// Nobody knows whether it is on disk. Should it be, it is read from the feed like another node's, and the leases that
    /// it handed out end in time.
    pub fn leave_open(mut self, shared: &Shared) {
        shared.feed.doubt();
        for change in std::mem::take(&mut self.lease_changes) {
            if let LeaseChange::Start(kept) = change {
                shared.leases.lock().put(kept);
            }
        }
        self.take_back(shared);
    }

    /// Forgets names that are not on disk after all.
    pub fn take_back(self, shared: &Shared) {
        for (is_queue, number) in self.named {
            if is_queue { shared.names.queues.forget(number) } else { shared.names.kinds.forget(number) }
        }
    }
}
