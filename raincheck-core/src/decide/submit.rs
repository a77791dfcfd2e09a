use super::{Moment, event};
use crate::command::{Change, ClaimScope, Refusal, Submitted};
use crate::event::EventData;
use crate::id::{JobId, JobNo};
use crate::job::{Job, Method, NewJob};
use crate::payload::Digest;
use crate::queue::QueueFacts;
use crate::state::State;
use crate::time::Timestamp;

/// What is known under a key or a chosen id.
#[derive(Clone, Debug)]
pub struct Known {
    /// Digest of what was asked for under it.
    pub fingerprint: Digest,
    /// The public id of the job.
    pub id: JobId,
    /// The job; `None` when it was purged. Boxed, as in all facts of a submit: they are handed on, and most find nothing.
    pub job: Option<Box<Job>>,
}

/// What a submit depends on.
#[derive(Clone, Debug, Default)]
pub struct SubmitFacts {
    /// Bounds and present statistics of its queue.
    pub queue: QueueFacts,
    /// What stands under the id the client chose.
    pub by_id: Option<Known>,
    /// What stands under its idempotency key.
    pub by_key: Option<Known>,
    /// The newest equal `GET` job.
    pub equal: Option<Box<Job>>,
}

/// Takes a new job, or finds the one that it already is. `fresh` is the id it gets unless it chose one.
///
/// Names stand first: whatever was answered under a key or an id is answered again, and where both are given they mean
/// one job. A job that waits or runs is never a reason to refuse a replay. A refusal changes nothing and is remembered
/// under no key.
pub fn submit(
    new: NewJob,
    facts: SubmitFacts,
    fresh: (JobNo, JobId),
    moment: &mut Moment<'_>,
) -> Result<(Submitted, Vec<Change>), Refusal> {
    if let Some(known) = facts.by_key.as_ref().filter(|known| new.id.is_some_and(|id| id != known.id)) {
        return Err(Refusal::KeyReused(known.id));
    }
    if let Some(known) = facts.by_id {
        let job = replay(known, &new, Refusal::IdConflict, moment.now)?;
        // The key is the queue's; the job may stand in another one when the default queue has changed meanwhile.
        let free = facts.by_key.is_none() && job.queue == new.queue;
        let changes = claim_key(&new, job.no).filter(|_| free).into_iter().collect();
        return Ok((Submitted::Existing(job), changes));
    }
    if let Some(known) = facts.by_key {
        return replay(known, &new, Refusal::KeyReused, moment.now).map(|job| (Submitted::Replayed(job), Vec::new()));
    }
    if let Some(equal) = facts.equal.filter(|_| new.method == Method::Get && new.id.is_none()) {
        if !equal.state.is_final() && !equal.cancel_requested {
            return Ok(join(*equal, &new));
        }
        let fresh_enough = |age| equal.finished_at.is_some_and(|at| moment.now.since(at) <= age);
        let is_lost = new.lost.as_ref().is_some_and(|lost| lost.contains(&equal.no));
        let is_gone = is_lost || equal.is_expired(moment.now);
        if equal.state == State::Succeeded && !is_gone && new.max_age.is_some_and(fresh_enough) {
            let changes = claim_key(&new, equal.no).into_iter().collect();
            return Ok((Submitted::Cached(*equal), changes));
        }
    }
    if facts.queue.waiting_in_all >= facts.queue.max_in_all {
        return Err(Refusal::StoreFull(facts.queue.max_in_all));
    }
    if facts.queue.waiting >= facts.queue.max_queued {
        return Err(Refusal::QueueFull(new.queue, facts.queue.max_queued));
    }
    Ok(create(new, facts.queue.next_ticket, fresh, moment))
}

fn replay(known: Known, new: &NewJob, conflict: fn(JobId) -> Refusal, now: Timestamp) -> Result<Job, Refusal> {
    match known.job.filter(|job| !job.is_expired(now)) {
        None => Err(Refusal::Purged(known.id)),
        Some(_) if known.fingerprint != new.fingerprint => Err(conflict(known.id)),
        // Nothing would ever be found under the id that the client chose.
        Some(_) if new.id.is_some_and(|chosen| chosen != known.id) => Err(conflict(known.id)),
        Some(job) => Ok(*job),
    }
}

fn join(equal: Job, new: &NewJob) -> (Submitted, Vec<Change>) {
    let (state, attempt) = (equal.state, equal.attempt);
    let job = Job { shared: equal.shared + 1, ..equal };
    let mut changes = vec![Change::Update { state, attempt, job: Box::new(job.clone()) }];
    changes.extend(claim_key(new, job.no));
    (Submitted::Coalesced(job), changes)
}

fn create(new: NewJob, ticket: i64, fresh: (JobNo, JobId), moment: &mut Moment<'_>) -> (Submitted, Vec<Change>) {
    let now = moment.now;
    let job = Job::new(&new, fresh, ticket, now, moment.tick);
    let key = new.spec.key.clone();
    let mut changes = Vec::with_capacity(2);
    changes.push(Change::Insert(Box::new(job.clone()), new.spec));
    let mut claim = |scope, key: &[u8]| {
        changes.push(Change::Claim { scope, key: key.into(), no: job.no, fingerprint: new.fingerprint });
    };
    if new.id.is_some() {
        claim(ClaimScope::Id, job.id.0.as_bytes());
    }
    if let Some(key) = &key {
        claim(ClaimScope::Key, key.as_bytes());
    }
    if let Some(equal) = &new.equal {
        claim(ClaimScope::Equal, equal);
    }
    changes.push(Change::Event(event(&job, EventData::Created { key }, now)));
    (Submitted::New(job), changes)
}

fn claim_key(new: &NewJob, no: JobNo) -> Option<Change> {
    let key = new.spec.key.as_ref()?.as_bytes().into();
    Some(Change::Claim { scope: ClaimScope::Key, key, no, fingerprint: new.fingerprint })
}
