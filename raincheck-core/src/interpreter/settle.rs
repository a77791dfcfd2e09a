use super::carried::Carried;
use super::facts::{Fact, Facts, NotAsked, Recorded};
use super::needs::Needs;
use crate::command::{Change, Reply, Settle};
use crate::decide::{self, Moment, Settled};
use crate::job::Job;
use crate::lease::{Outcome, Overdue};
use crate::state::State;

/// What an end must still know, beside the job that `needs` names.
pub(super) fn needs<'c>(settle: &Settle, facts: &Facts, mut needs: Needs<'c>) -> Needs<'c> {
    let job = match &facts.job {
        Fact::Absent => return needs,
        Fact::NotAsked => None,
        Fact::Here(job) => Some(job),
    };
    if claims(&settle.outcome).is_some() && facts.lease.is_missing() {
        needs.lease = Some(settle.lease);
    }
    if let Some(job) = job {
        needs.recorded = (may_repeat(settle, job) && facts.recorded.is_missing()).then_some(job.no);
        needs.retry = (may_retry(settle, job) && facts.retry.is_missing()).then_some(job.no);
    }
    needs
}

/// What whoever watches over leases says of this one.
fn claims(outcome: &Outcome) -> Option<Overdue> {
    match outcome {
        Outcome::Lost => Some(Overdue::Lost),
        Outcome::TimedOut => Some(Overdue::TimedOut),
        Outcome::Complete(_) | Outcome::Fail { .. } | Outcome::Release { .. } => None,
    }
}

fn may_repeat(settle: &Settle, job: &Job) -> bool {
    matches!(settle.outcome, Outcome::Complete(_)) && job.state == State::Succeeded
}

fn may_retry(settle: &Settle, job: &Job) -> bool {
    matches!(settle.outcome, Outcome::Fail { .. } | Outcome::TimedOut) && job.is_on(settle.lease)
}

pub(super) fn settle(settle: Settle, job: Job, facts: Facts, moment: &mut Moment<'_>) -> Result<Carried, NotAsked> {
    let mut worker = Box::default();
    if let Some(overdue) = claims(&settle.outcome) {
        let held = facts.lease.known("a lease")?.unwrap_or_default();
        // Who watches looked a moment ago: a heartbeat may have come since.
        if held.overdue != Some(overdue) {
            return Ok(Reply::Job(job).into());
        }
        worker = held.worker;
    }
    let recorded = match may_repeat(&settle, &job) {
        true => facts.recorded.known("a recorded result")?,
        false => None,
    };
    let retry = match may_retry(&settle, &job) {
        true => facts.retry.known("a retry policy")?.unwrap_or_default(),
        false => Default::default(),
    };
    let Settle { lease, outcome } = settle;
    let same = |kept: &Recorded| matches!(&outcome, Outcome::Complete(result) if Recorded::of(result) == *kept);
    let recorded = recorded.filter(same).map(|kept| kept.digest);
    Ok(match decide::settle(job, lease.attempt, outcome, &worker, recorded, &retry, moment) {
        Settled::Changed(job, mut changes) => {
            changes.push(Change::EndLease(lease));
            (Reply::Job(job), changes).into()
        }
        Settled::Repeated(job) => Reply::Job(job).into(),
        Settled::LeaseLost(job) => Reply::LeaseLost(job).into(),
    })
}
