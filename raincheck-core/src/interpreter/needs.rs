use super::facts::{ChunkPlace, Fact, Facts};
use super::{Due, settle};
use crate::command::Command;
use crate::decide::may_append;
use crate::id::JobNo;
use crate::lease::LeaseRef;
use crate::name::Name;
use crate::object::{Delete, ObjectKind, Put};

/// What a command must know and does not yet, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs<'c> {
    /// [`Facts::job`].
    pub job: Option<JobNo>,
    /// [`Facts::lease`].
    pub lease: Option<LeaseRef>,
    /// [`Facts::recorded`], of this job.
    pub recorded: Option<JobNo>,
    /// [`Facts::retry`], of this job.
    pub retry: Option<JobNo>,
    /// [`Facts::part`].
    pub part: Option<ChunkPlace>,
    /// [`Facts::queue`].
    pub queue: Option<&'c Name>,
    /// [`Facts::object`].
    pub object: Option<(ObjectKind, &'c Name)>,
    /// [`Facts::due`].
    pub due: Option<Due>,
}

impl Needs<'_> {
    /// It can be carried out.
    pub fn is_empty(&self) -> bool {
        *self == Needs::default()
    }
}

/// What `command` must still know. Some of it shows only when the rest is known: who has answered asks again, until it is
/// empty.
pub fn needs<'c>(command: &'c Command, facts: &Facts) -> Needs<'c> {
    let mut needs = Needs::default();
    let sweeps = |due| Needs { due: facts.due.is_missing().then_some(due), ..Needs::default() };
    let no = match command {
        Command::Settle(settle) => settle.lease.no,
        Command::Append(append) => append.lease.no,
        Command::Progress(lease, _) | Command::Extend(lease, _) => lease.no,
        Command::Cancel(cancel) => cancel.no,
        Command::RunNow(no) | Command::Purge(no) => *no,
        Command::SetQueue(name, _) => {
            needs.queue = facts.queue.is_missing().then_some(name);
            return needs;
        }
        Command::Put(Put { kind, name, .. }) | Command::Delete(Delete { kind, name, .. }) => {
            needs.object = facts.object.is_missing().then_some((*kind, name));
            return needs;
        }
        Command::Promote(limit) => return sweeps(Due::Scheduled(*limit)),
        Command::Expire(limit) => return sweeps(Due::Late(*limit)),
        Command::Retire(limit) => return sweeps(Due::Expired(*limit)),
        Command::Submit(_) | Command::Lease(_) | Command::Bury(_) | Command::Trim(_) => return needs,
    };
    let job = match &facts.job {
        Fact::Absent => return needs,
        Fact::NotAsked => {
            needs.job = Some(no);
            None
        }
        Fact::Here(job) => Some(job),
    };
    match command {
        Command::Settle(settle) => settle::add_needs(&mut needs, settle, job, facts),
        Command::Append(append) if job.is_some_and(|job| may_append(job, append)) && facts.part.is_missing() => {
            needs.part = Some(ChunkPlace::of(append.lease, append.kind));
        }
        Command::Append(_)
        | Command::Progress(..)
        | Command::Extend(..)
        | Command::Cancel(_)
        | Command::RunNow(_)
        | Command::Purge(_)
        | Command::SetQueue(..)
        | Command::Put(_)
        | Command::Delete(_)
        | Command::Submit(_)
        | Command::Lease(_)
        | Command::Promote(_)
        | Command::Expire(_)
        | Command::Retire(_)
        | Command::Bury(_)
        | Command::Trim(_) => {}
    }
    needs
}
