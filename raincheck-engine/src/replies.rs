//! What a store may answer to each command. Every way to answer is named in each, so that the compiler asks of a new one what
//! it means to whom.

use raincheck_core::{Job, Millis, Object, Purged, QueueSettings, Refusal, Reply, Spec, Submitted};
use raincheck_store::StoreError;

use crate::answers::{AppendAnswer, CancelAnswer, Finish, ObjectError, PurgeAnswer, QueueError, RunNowAnswer, Taken};

/// Replies that a command is never answered with.
macro_rules! never {
    ($($name:ident)+) => { ($(Reply::$name { .. })|+) };
}

/// Refusals of a submit that waiting does not help against.
macro_rules! refused_for_good {
    () => {
        Refusal::KeyReused(_)
            | Refusal::KeyTwice(_)
            | Refusal::BatchReused
            | Refusal::BatchForgotten
            | Refusal::IdConflict(_)
            | Refusal::Purged(_)
    };
}
pub(crate) use refused_for_good;

/// To a submit: all jobs in order, or which of them was refused and why.
pub(crate) fn submit(reply: Reply) -> Result<Result<Vec<Submitted>, (usize, Refusal)>, StoreError> {
    match reply {
        Reply::Submitted(submitted) => Ok(Ok(submitted)),
        Reply::Refused(index, refusal) => Ok(Err((index, refusal))),
        reply @ never!(Again TooLong Leased Job LeaseLost Appended Full Finished Shared NotWaiting
            NotFinished Purged Gone Queue Put
            OtherVersion Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// To a batch: all jobs in order, or what became of those that it came to before.
pub(crate) fn submit_batch(reply: Reply) -> Result<Result<Taken, (usize, Refusal)>, StoreError> {
    match reply {
        Reply::Again(jobs) => Ok(Ok(Taken::Again(jobs))),
        reply => submit(reply).map(|answer| answer.map(Taken::Now)),
    }
}

/// To a lease.
pub(crate) fn lease(reply: Reply) -> Result<Vec<(Job, Spec)>, StoreError> {
    match reply {
        Reply::Leased(jobs) => Ok(jobs),
        reply @ never!(Again TooLong Submitted Refused Job LeaseLost Appended Full Finished Shared
            NotWaiting NotFinished Purged Gone Queue Put
            OtherVersion Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// To a settle.
pub(crate) fn settle(reply: Reply) -> Result<Finish, StoreError> {
    match reply {
        Reply::Job(job) => Ok(Finish::Done(job)),
        Reply::LeaseLost(job) => Ok(Finish::LeaseLost(job)),
        Reply::Gone => Ok(Finish::Gone),
        reply @ never!(Again TooLong Submitted Refused Leased Appended Full Finished Shared
            NotWaiting NotFinished Purged Queue Put
            OtherVersion Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// To a hand-over: how the lease stands then, or `None` where the run is over.
pub(crate) fn extend(reply: Reply) -> Result<Option<Extension>, StoreError> {
    match reply {
        Reply::Job(job) => Ok(Some(Extension::Lasts(job.ttl))),
        Reply::TooLong(_) => Ok(Some(Extension::TooLong)),
        Reply::LeaseLost(_) | Reply::Gone => Ok(None),
        reply @ never!(Again Submitted Refused Leased Appended Full Finished Shared NotWaiting
            NotFinished Purged Queue Put OtherVersion Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// What a hand-over comes to while the run is under way.
pub(crate) enum Extension {
    /// The lease lasts so long, milliseconds.
    Lasts(Millis),
    /// It would last longer than the run may.
    TooLong,
}

/// To an append.
pub(crate) fn append(reply: Reply) -> Result<AppendAnswer, StoreError> {
    match reply {
        Reply::Appended(end) => Ok(AppendAnswer::Done(end)),
        Reply::LeaseLost(_) => Ok(AppendAnswer::LeaseLost),
        Reply::Full => Ok(AppendAnswer::Full),
        Reply::Gone => Ok(AppendAnswer::Gone),
        reply @ never!(Again TooLong Submitted Refused Leased Job Finished Shared NotWaiting
            NotFinished Purged Queue Put
            OtherVersion Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// To a cancel.
pub(crate) fn cancel(reply: Reply) -> Result<CancelAnswer, StoreError> {
    match reply {
        Reply::Job(job) => Ok(CancelAnswer::Done(job)),
        Reply::Finished(job) => Ok(CancelAnswer::Finished(job)),
        Reply::Shared(job) => Ok(CancelAnswer::Shared(job)),
        Reply::OtherVersion(_) => Ok(CancelAnswer::Changed),
        Reply::Gone => Ok(CancelAnswer::Gone),
        reply @ never!(Again TooLong Submitted Refused Leased LeaseLost Appended Full NotWaiting
            NotFinished Purged Queue Put
            Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// To a job that is to run now.
pub(crate) fn run_now(reply: Reply) -> Result<RunNowAnswer, StoreError> {
    match reply {
        Reply::Job(job) => Ok(RunNowAnswer::Done(job)),
        Reply::NotWaiting(job) => Ok(RunNowAnswer::NotWaiting(job)),
        Reply::OtherVersion(_) => Ok(RunNowAnswer::Changed),
        Reply::Gone => Ok(RunNowAnswer::Gone),
        reply @ never!(Again TooLong Submitted Refused Leased LeaseLost Appended Full Finished
            Shared NotFinished Purged Queue Put
            Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// To a purge, with what it leaves to clean up.
pub(crate) fn purge(reply: Reply) -> Result<(PurgeAnswer, Purged), StoreError> {
    match reply {
        Reply::Purged(purged) => Ok((PurgeAnswer::Done, purged)),
        Reply::NotFinished(_) => Ok((PurgeAnswer::NotFinished, Purged::default())),
        Reply::Gone => Ok((PurgeAnswer::Gone, Purged::default())),
        reply @ never!(Again TooLong Submitted Refused Leased Job LeaseLost Appended Full
            Finished Shared NotWaiting Queue Put
            OtherVersion Deleted Swept) => Err(unexpected_reply(&reply)),
    }
}

/// To the settings of a queue.
pub(crate) fn set_queue(reply: Reply) -> Result<QueueSettings, QueueError> {
    match reply {
        Reply::Queue(settings) => Ok(settings),
        Reply::OtherVersion(_) => Err(QueueError::OtherVersion),
        Reply::Refused(_, Refusal::TooManyNames) => Err(QueueError::TooMany),
        reply @ Reply::Refused(_, refused_for_good!() | Refusal::QueueFull(..) | Refusal::StoreFull(_)) => {
            Err(unexpected_reply(&reply).into())
        }
        reply @ never!(Again TooLong Submitted Leased Job LeaseLost Appended Full Finished Shared
            NotWaiting NotFinished Purged Gone Put Deleted Swept) => Err(unexpected_reply(&reply).into()),
    }
}

/// To a named object that is put: it, and whether there was none.
pub(crate) fn put(reply: Reply) -> Result<(Object, bool), ObjectError> {
    match reply {
        Reply::Put { object, is_new } => Ok((object, is_new)),
        Reply::OtherVersion(_) => Err(ObjectError::OtherVersion),
        Reply::Refused(_, Refusal::TooManyNames) => Err(ObjectError::TooMany),
        reply @ Reply::Refused(_, refused_for_good!() | Refusal::QueueFull(..) | Refusal::StoreFull(_)) => {
            Err(unexpected_reply(&reply).into())
        }
        reply @ never!(Again TooLong Submitted Leased Job LeaseLost Appended Full Finished Shared
            NotWaiting NotFinished Purged Gone Queue Deleted Swept) => Err(unexpected_reply(&reply).into()),
    }
}

/// To a named object that is deleted: whether it was there.
pub(crate) fn delete(reply: Reply) -> Result<bool, ObjectError> {
    match reply {
        Reply::Deleted => Ok(true),
        Reply::Gone => Ok(false),
        Reply::OtherVersion(_) => Err(ObjectError::OtherVersion),
        reply @ never!(Again TooLong Submitted Refused Leased Job LeaseLost Appended Full Finished Shared
            NotWaiting NotFinished Purged Queue Put Swept) => Err(unexpected_reply(&reply).into()),
    }
}

/// To a command of maintenance: how many it took, and what that leaves to clean up.
pub(crate) fn swept(reply: Reply) -> Result<(usize, Purged), StoreError> {
    match reply {
        Reply::Swept(count, purged) => Ok((count, purged)),
        reply @ never!(Again TooLong Submitted Refused Leased Job LeaseLost Appended Full Finished
            Shared NotWaiting NotFinished Purged Gone Queue Put OtherVersion Deleted) => Err(unexpected_reply(&reply)),
    }
}

/// A store answered a command with something that its contract does not allow.
fn unexpected_reply(reply: &Reply) -> StoreError {
    StoreError::Other(format!("unexpected answer {reply:?}"))
}
