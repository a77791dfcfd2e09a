//! Carries out commands, for every store: what a command must know ([`needs`]), and what it comes to ([`carry_out`]). A
//! store stands between the two. It looks up facts, writes changes, commits, and knows no rule.

mod append;
mod batch;
mod carried;
mod facts;
mod follow;
mod lease;
mod needs;
mod object;
mod room;
mod settle;
mod submit;
mod sweep;

pub use crate::follow_up::FollowUp;
pub use batch::{BatchClaim, BatchFacts, BatchJob, again};
pub use carried::Carried;
pub use facts::{ChunkPlace, Fact, Facts, Held, NamedObject, NamedQueue, NotAsked, Part, Piece, Recorded};
pub use follow::{FollowRule, FollowUps, Following};
pub use lease::{Offered, Serving};
pub use needs::Needs;
pub use room::Room;
pub use submit::{Claim, Look, NameFacts, NewFacts, NewName, take};
pub use sweep::Due;

use crate::command::{Change, Command, Purged, Refusal, Reply};
use crate::decide::{self, Moment};
use crate::job::Job;
use crate::object::{Delete, Put};
use crate::state::State;

/// What `command` must still know. Some of it shows only when the rest is known: who has answered asks again, until it is
/// empty.
pub fn needs<'c>(command: &'c Command, facts: &Facts) -> Needs<'c> {
    let nothing = Needs::default();
    let of_job = |no| Needs { job: facts.job.is_missing().then_some(no), ..nothing };
    let sweeps = |due| Needs { due: facts.due.is_missing().then_some(due), ..nothing };
    match command {
        Command::Settle(settle) => settle::needs(settle, facts, of_job(settle.lease.no)),
        Command::Append(append) => match &facts.job {
            Fact::Here(job) if decide::may_append(job, append) && facts.part.is_missing() => {
                Needs { part: Some(ChunkPlace::of(append.lease, append.kind)), ..nothing }
            }
            Fact::Here(_) | Fact::Absent | Fact::NotAsked => of_job(append.lease.no),
        },
        Command::Progress(lease, _) | Command::Extend(lease, _) => of_job(lease.no),
        Command::Cancel(cancel) => of_job(cancel.no),
        Command::RunNow(no, _) | Command::Purge(no) => of_job(*no),
        Command::SetQueue(name, _) => Needs { queue: facts.queue.is_missing().then_some(name), ..nothing },
        Command::Put(Put { kind, name, .. }) | Command::Delete(Delete { kind, name, .. }) => {
            Needs { object: facts.object.is_missing().then_some((*kind, name)), ..nothing }
        }
        Command::Promote(limit) => sweeps(Due::Scheduled(*limit)),
        Command::Expire(limit) => sweeps(Due::Late(*limit)),
        Command::PurgeExpired(limit) => sweeps(Due::Expired(*limit)),
        Command::Submit(_)
        | Command::SubmitBatch(_)
        | Command::Lease(_)
        | Command::CatchUp(_)
        | Command::DropTombstones(_)
        | Command::Trim(_) => nothing,
    }
}

/// Decides what `command` comes to, as its facts are. It must know all that [`needs`] asks for: what was not asked is an
/// error, never taken for what is not there.
pub fn carry_out(command: Command, facts: Facts, moment: &mut Moment<'_>) -> Result<Carried, NotAsked> {
    match command {
        Command::Settle(settle) => of_job(facts, |job, facts| settle::settle(settle, job, facts, moment)),
        Command::Append(append) => of_job(facts, |job, facts| append::append(append, job, facts.part)),
        Command::Progress(lease, progress) => {
            of_job(facts, |job, _| match decide::progress(job, lease.attempt, progress, moment) {
                Ok((job, changes)) => Ok((Reply::Job(job), changes).into()),
                Err(job) => Ok(Reply::LeaseLost(*job).into()),
            })
        }
        Command::Extend(lease, ttl) => of_job(facts, |job, _| Ok(decide::extend(job, lease, ttl, moment).into())),
        Command::Cancel(cancel) => of_job(facts, |job, _| {
            if cancel.seq.is_some_and(|seq| seq != job.seq) {
                return Ok(Reply::OtherVersion(None).into());
            }
            let (reply, mut changes) = decide::cancel(job, cancel.force, moment);
            if let Reply::Job(job) = &reply
                && job.state == State::Running
            {
                changes.push(Change::AskToStop(job.lease_ref()));
            }
            Ok((reply, changes).into())
        }),
        Command::RunNow(_, seq) => of_job(facts, |job, _| {
            if seq.is_some_and(|seq| seq != job.seq) {
                return Ok(Reply::OtherVersion(None).into());
            }
            Ok(decide::run_now(job, moment).into())
        }),
        Command::Purge(no) => of_job(facts, |job, _| {
            if !decide::may_purge(&job) {
                return Ok(Reply::NotFinished(job).into());
            }
            let changes = vec![Change::Erase(no), Change::Forget(Box::new(job))];
            Ok((Reply::Purged(Purged::default()), changes).into())
        }),
        Command::SetQueue(name, patch) => {
            let queue = facts.queue.known("a queue")?.unwrap_or_default();
            if !queue.has_room {
                return Ok(Reply::Refused(0, Refusal::TooManyNames).into());
            }
            if patch.expected.as_ref().is_some_and(|expected| *expected != queue.settings) {
                return Ok(Reply::OtherVersion(None).into());
            }
            let settings = patch.apply(queue.settings);
            Ok((Reply::Queue(settings.clone()), vec![Change::Settings(name, settings)]).into())
        }
        Command::Put(put) => object::put(put, facts.object, moment),
        Command::Delete(delete) => object::delete(delete, facts.object),
        Command::Promote(_) => sweep::sweep(facts.due, |job| Some(decide::promote(job, moment).1)),
        Command::Expire(_) => sweep::sweep(facts.due, |job| Some(decide::expire(job, moment)?.1)),
        Command::PurgeExpired(_) => {
            sweep::sweep(facts.due, |job| decide::may_purge(&job).then(|| vec![Change::Forget(Box::new(job))]))
        }
        // These go by other doors: `take`, `Serving`, and what stores clean up by themselves.
        Command::Submit(_)
        | Command::SubmitBatch(_)
        | Command::Lease(_)
        | Command::CatchUp(_)
        | Command::DropTombstones(_)
        | Command::Trim(_) => Err(NotAsked("what it is about")),
    }
}

/// A command about one job comes to what `rule` says, or to nothing where the job is gone.
fn of_job(mut facts: Facts, rule: impl FnOnce(Job, Facts) -> Result<Carried, NotAsked>) -> Result<Carried, NotAsked> {
    match std::mem::take(&mut facts.job).known("a job")? {
        Some(job) => rule(job, facts),
        None => Ok(Reply::Gone.into()),
    }
}
