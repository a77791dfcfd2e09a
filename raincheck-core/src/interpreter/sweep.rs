use super::carried::Carried;
use super::facts::{Fact, NotAsked};

use crate::command::{Change, Purged, Reply};
use crate::job::Job;

/// Jobs that a sweep is for, those first whose time came first; at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Scheduled, and it is time.
    Scheduled(usize),
    /// Still waiting for the first start, too late.
    Late(usize),
    /// Finished, past their retention.
    Expired(usize),
}

/// One decision a job. Those that the rule says nothing of are no longer what the store found.
pub(super) fn sweep(due: Fact<Vec<Job>>, rule: impl Fn(Job) -> Option<Vec<Change>>) -> Result<Carried, NotAsked> {
    let jobs = due.known("jobs whose time has come")?.unwrap_or_default();
    let reply = Reply::Swept(jobs.len(), Purged::default());
    let mut decided = jobs.into_iter().filter_map(rule);
    let changes = decided.next().unwrap_or_default();
    Ok(Carried { changes, more: decided.collect(), reply })
}
