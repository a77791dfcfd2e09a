//! How a run ends, and what becomes of its job.

use super::{Draft, Moment};
use crate::command::Change;
use crate::event::EventData;
use crate::failure::{Failure, FailureCode};
use crate::job::{Job, OnLost};
use crate::lease::Outcome;
use crate::payload::Digest;
use crate::progress::Progress;
use crate::retry::RetryPolicy;
use crate::state::State;
use crate::time::Millis;

/// What a settle comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// These writes.
    Changed(Job, Vec<Change>),
    /// Nothing: the same end was recorded before.
    Repeated(Job),
    /// Nothing: the run is over.
    LeaseLost(Job),
}

/// Ends the run `attempt` of `job`. `recorded` is the digest of the result kept already, if any; `retry` is
/// asked for only when an attempt failed.
///
/// The lease is good as long as no end or loss was recorded for its attempt: late is not lost.
pub fn settle(
    job: Job,
    attempt: u32,
    outcome: Outcome,
    worker: &str,
    recorded: Option<Digest>,
    retry: &RetryPolicy,
    moment: &mut Moment<'_>,
) -> Settled {
    if job.state != State::Running || job.attempt != attempt {
        let same = matches!(&outcome, Outcome::Complete(result)
            if job.state == State::Succeeded && job.attempt == attempt && recorded == Some(result.digest));
        return if same { Settled::Repeated(job) } else { Settled::LeaseLost(job) };
    }
    let canceled = job.cancel_requested;
    let mut draft = Draft::of(job);
    match outcome {
        Outcome::Complete(result) => {
            draft.changes.push(Change::Result(draft.job.no, result));
            draft.job.losses = 0;
            draft.finish(State::Succeeded, EventData::Succeeded, moment.now);
        }
        Outcome::TimedOut if !canceled => {
            let seconds = draft.job.timeout / 1_000;
            let failure = Failure::of(FailureCode::Timeout, format!("attempt {attempt} ran longer than {seconds} s"));
            fail(&mut draft, failure, true, None, retry, moment);
        }
        Outcome::Fail { failure, retryable, retry_after } if !canceled => {
            fail(&mut draft, failure, retryable, retry_after, retry, moment);
        }
        Outcome::Release { delay } if !canceled => {
            draft.job.losses = 0;
            let state = draft.wait(delay, moment);
            draft.step(state, EventData::Released, moment.now);
        }
        Outcome::Lost if !canceled => lose(&mut draft, worker, moment),
        // Asked to stop and it did, one way or another.
        _ => cancel(&mut draft, moment),
    }
    let (job, changes) = draft.done(moment);
    Settled::Changed(job, changes)
}

fn cancel(draft: &mut Draft, moment: &Moment<'_>) {
    let failure = Failure::of(FailureCode::Canceled, "canceled while it was running");
    draft.changes.push(Change::Failure(draft.job.no, failure));
    draft.finish(State::Canceled, EventData::Canceled, moment.now);
}

fn fail(
    draft: &mut Draft,
    failure: Failure,
    retryable: bool,
    retry_after: Option<Millis>,
    retry: &RetryPolicy,
    moment: &mut Moment<'_>,
) {
    draft.job.failures += 1;
    draft.job.losses = 0;
    draft.changes.push(Change::Failure(draft.job.no, failure.clone()));
    if retryable && draft.job.failures < draft.job.max_attempts {
        let delay = retry_after.unwrap_or_else(|| retry.delay(draft.job.failures, moment.rng));
        let state = draft.wait(delay, moment);
        let run_at = draft.job.run_at;
        draft.step(state, EventData::Retrying { failure, run_at }, moment.now);
    } else {
        draft.finish(State::Failed, EventData::Failed(failure), moment.now);
    }
}

fn lose(draft: &mut Draft, worker: &str, moment: &Moment<'_>) {
    let attempt = draft.job.attempt;
    // Without a bound of their own, losses are failed attempts.
    let is_over = if draft.job.max_losses == 0 {
        draft.job.failures += 1;
        draft.job.failures >= draft.job.max_attempts
    } else {
        draft.job.losses += 1;
        draft.job.losses >= draft.job.max_losses
    };
    if draft.job.on_lost == OnLost::Fail || is_over {
        let detail = match (draft.job.on_lost, draft.job.losses) {
            (OnLost::Fail, _) => {
                format!("worker {worker:?} vanished during attempt {attempt}; the outcome is unknown")
            }
            (OnLost::Retry, 0 | 1) => format!("worker {worker:?} vanished during attempt {attempt}, the last one"),
            (OnLost::Retry, losses) => {
                format!("{losses} runs in a row were lost, the last one by worker {worker:?}")
            }
        };
        let failure = Failure::of(FailureCode::Lost, detail);
        draft.changes.push(Change::Failure(draft.job.no, failure.clone()));
        draft.finish(State::Failed, EventData::Failed(failure), moment.now);
    } else {
        let state = draft.back(moment);
        draft.step(state, EventData::Lost { worker: worker.into() }, moment.now);
    }
}

/// Records a report of the run `attempt`, or answers with the job when that run is over.
pub fn progress(
    job: Job,
    attempt: u32,
    progress: Progress,
    moment: &Moment<'_>,
) -> Result<(Job, Vec<Change>), Box<Job>> {
    if job.state != State::Running || job.attempt != attempt {
        return Err(Box::new(job));
    }
    let mut draft = Draft::of(job);
    draft.changes.push(Change::Progress(draft.job.no, progress.clone()));
    draft.step(State::Running, EventData::Progress(progress), moment.now);
    Ok(draft.done(moment))
}
