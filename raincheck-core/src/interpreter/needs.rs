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
    let nothing = Needs::default();
    let of_job = |no| Needs { job: facts.job.is_missing().then_some(no), ..nothing };
    let sweeps = |due| Needs { due: facts.due.is_missing().then_some(due), ..nothing };
    match command {
        Command::Settle(settle) => settle::needs(settle, facts, of_job(settle.lease.no)),
        Command::Append(append) => match &facts.job {
            Fact::Here(job) if may_append(job, append) && facts.part.is_missing() => {
                Needs { part: Some(ChunkPlace::of(append.lease, append.kind)), ..nothing }
            }
            Fact::Here(_) | Fact::Absent | Fact::NotAsked => of_job(append.lease.no),
        },
        Command::Progress(lease, _) | Command::Extend(lease, _) => of_job(lease.no),
        Command::Cancel(cancel) => of_job(cancel.no),
        Command::RunNow(no) | Command::Purge(no) => of_job(*no),
        Command::SetQueue(name, _) => Needs { queue: facts.queue.is_missing().then_some(name), ..nothing },
        Command::Put(Put { kind, name, .. }) | Command::Delete(Delete { kind, name, .. }) => {
            Needs { object: facts.object.is_missing().then_some((*kind, name)), ..nothing }
        }
        Command::Promote(limit) => sweeps(Due::Scheduled(*limit)),
        Command::Expire(limit) => sweeps(Due::Late(*limit)),
        Command::Retire(limit) => sweeps(Due::Expired(*limit)),
        Command::Submit(_)
        | Command::SubmitBatch(_)
        | Command::Lease(_)
        | Command::CatchUp(_)
        | Command::Bury(_)
        | Command::Trim(_) => nothing,
    }
}
