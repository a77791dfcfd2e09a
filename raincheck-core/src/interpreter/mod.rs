//! Carries out commands, for every store: what a command must know ([`needs`]), and what it comes to ([`carry_out`]). A
//! store stands between the two. It looks up facts, writes changes, commits, and knows no rule.

mod append;
mod facts;
mod lease;
mod needs;
mod object;
mod room;
mod settle;
mod submit;
mod sweep;

pub use facts::{ChunkPlace, Fact, Facts, Held, NamedObject, NamedQueue, NotAsked, Part, Piece, Recorded};
pub use lease::{Offered, Serving};
pub use needs::{Needs, needs};
pub use room::Room;
pub use submit::{Claim, Look, NameFacts, NewFacts, NewName, take};
pub use sweep::Due;

use crate::command::{Change, Command, Purged, Refusal, Reply};
use crate::decide::{self, Moment};
use crate::job::Job;
use crate::state::State;

/// What a command comes to: everything of it is written, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// The writes of the first decision, which is the only one but where a command is about several jobs.
    pub changes: Vec<Change>,
    /// Those of each further decision, which saw what those before it did.
    pub more: Vec<Vec<Change>>,
    /// The answer, once they are on disk.
    pub reply: Reply,
}

impl From<Reply> for Carried {
    fn from(reply: Reply) -> Self {
        Carried { changes: Vec::new(), more: Vec::new(), reply }
    }
}

impl From<(Reply, Vec<Change>)> for Carried {
    fn from((reply, changes): (Reply, Vec<Change>)) -> Self {
        Carried { changes, more: Vec::new(), reply }
    }
}

/// Decides what `command` comes to, as its facts are. It must know all that [`needs`] asks for: what was not asked is an
/// error, never taken for what is not there.
pub fn carry_out(command: Command, mut facts: Facts, moment: &mut Moment<'_>) -> Result<Carried, NotAsked> {
    let command = match command {
        Command::Put(put) => return object::put(put, facts.object, moment),
        Command::Delete(delete) => return object::delete(delete, facts.object),
        command => command,
    };
    if let Command::SetQueue(name, patch) = command {
        let queue = facts.queue.known("a queue")?.unwrap_or_default();
        if !queue.has_room {
            return Ok(Reply::Refused(0, Refusal::TooManyNames).into());
        }
        let settings = patch.apply(queue.settings);
        return Ok((Reply::Queue(settings.clone()), vec![Change::Settings(name, settings)]).into());
    }
    if let Some(due) = needs(&command, &Facts::default()).due {
        let forget = |job: Job| decide::may_purge(&job).then(|| vec![Change::Forget(Box::new(job))]);
        return match due {
            Due::Scheduled(_) => sweep::sweep(facts.due, |job| Some(decide::promote(job, moment).1)),
            Due::Late(_) => sweep::sweep(facts.due, |job| Some(decide::expire(job, moment)?.1)),
            Due::Expired(_) => sweep::sweep(facts.due, forget),
        };
    }
    let Some(job) = std::mem::take(&mut facts.job).known("a job")? else { return Ok(Reply::Gone.into()) };
    Ok(match command {
        Command::Settle(settle) => return settle::settle(settle, job, facts, moment),
        Command::Append(append) => return append::append(append, job, facts.part),
        Command::Progress(lease, progress) => match decide::progress(job, lease.attempt, progress, moment) {
            Ok((job, changes)) => (Reply::Job(job), changes).into(),
            Err(job) => Reply::LeaseLost(*job).into(),
        },
        Command::Extend(lease, ttl) => decide::extend(job, lease, ttl, moment).into(),
        Command::Cancel(cancel) => {
            let (reply, mut changes) = decide::cancel(job, cancel.force, moment);
            if let Reply::Job(job) = &reply
                && job.state == State::Running
            {
                changes.push(Change::AskToStop(job.lease_ref()));
            }
            (reply, changes).into()
        }
        Command::RunNow(_) => decide::run_now(job, moment).into(),
        Command::Purge(_) if !decide::may_purge(&job) => Reply::NotFinished(job).into(),
        Command::Purge(no) => {
            let changes = vec![Change::Forget(Box::new(job)), Change::Erase(no)];
            (Reply::Purged(Purged::default()), changes).into()
        }
        Command::Submit(_)
        | Command::Lease(_)
        | Command::SetQueue(..)
        | Command::Put(_)
        | Command::Delete(_)
        | Command::Promote(_)
        | Command::Expire(_)
        | Command::Retire(_)
        | Command::Bury(_)
        | Command::Trim(_) => return Err(NotAsked("what it is about")),
    })
}
