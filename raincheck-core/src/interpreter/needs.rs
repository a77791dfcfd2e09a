use super::facts::{ChunkPlace, Fact, Facts};
use super::settle;
use crate::command::Command;
use crate::decide::may_append;
use crate::id::JobNo;
use crate::lease::LeaseRef;
use crate::name::Name;

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
        Command::Submit(_)
        | Command::Lease(_)
        | Command::Promote(_)
        | Command::Expire(_)
        | Command::Retire(_)
        | Command::Bury(_) => return needs,
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
        _ => {}
    }
    needs
}
