//! Carries out commands, for every store: what a command must know ([`needs`]), and what it comes to ([`carry_out`]). A
//! store stands between the two. It looks up facts, writes changes, commits, and knows no rule.

mod append;
mod facts;
mod needs;
mod settle;
mod submit;

pub use facts::{ChunkPlace, Fact, Facts, Held, NamedQueue, NotAsked, Part, Piece, Recorded};
pub use needs::{Needs, needs};
pub use submit::{Claim, Look, NameFacts, NewFacts, NewName, take};

use crate::command::{Change, Command, Purged, Refusal, Reply};
use crate::decide::{self, Moment};
use crate::state::State;

/// What a command comes to: everything of it is written, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// The writes.
    pub changes: Vec<Change>,
    /// The answer, once they are on disk.
    pub reply: Reply,
}

impl From<Reply> for Carried {
    fn from(reply: Reply) -> Self {
        Carried { changes: Vec::new(), reply }
    }
}

impl From<(Reply, Vec<Change>)> for Carried {
    fn from((reply, changes): (Reply, Vec<Change>)) -> Self {
        Carried { changes, reply }
    }
}

/// Decides what `command` comes to, as its facts are. It must know all that [`needs`] asks for: what was not asked is an
/// error, never taken for what is not there.
pub fn carry_out(command: Command, mut facts: Facts, moment: &mut Moment<'_>) -> Result<Carried, NotAsked> {
    if let Command::SetQueue(name, patch) = command {
        let queue = facts.queue.known("a queue")?.unwrap_or_default();
        if !queue.has_room {
            return Ok(Reply::Refused(0, Refusal::TooManyNames).into());
        }
        let settings = patch.apply(queue.settings);
        return Ok((Reply::Queue(settings.clone()), vec![Change::Settings(name, settings)]).into());
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
        Command::Purge(_) => (Reply::Purged(Purged::default()), vec![Change::Forget(Box::new(job))]).into(),
        _ => return Err(NotAsked("what it is about")),
    })
}
