use std::collections::HashMap;

use super::Carried;
use super::facts::{Fact, NotAsked};
use crate::batch::BatchName;
use crate::command::{Change, ClaimScope, Refusal, Reply, Submitted};
use crate::decide::{self, Known, Moment, SubmitFacts};
use crate::id::{JobId, JobNo};
use crate::job::{Job, NewJob};
use crate::name::Name;
use crate::payload::Digest;
use crate::queue::QueueFacts;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The job it stands for.
    pub no: JobNo,
    /// Digest of what was asked for under it.
    pub fingerprint: Digest,
}

/// A name that a new job goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewName<'c> {
    /// Where it is unique; but for chosen ids, in the queue of the new job.
    pub scope: ClaimScope,
    /// The name: text of a key, bytes of an id or digest.
    pub key: &'c [u8],
    /// The job of this very id, were it one that the store gave out.
    own: Option<(JobNo, JobId)>,
}

impl NewJob {
    /// The id that its client chose.
    pub fn chosen_id(&self) -> Option<NewName<'_>> {
        let own = |id: &JobId| id.parts().map(|(no, _)| (no, *id));
        self.id.as_ref().map(|id| NewName { scope: ClaimScope::Id, key: id.0.as_bytes(), own: own(id) })
    }

    /// Its idempotency key.
    pub fn key_name(&self) -> Option<NewName<'_>> {
        self.spec.key.as_ref().map(|key| NewName { scope: ClaimScope::Key, key: key.as_bytes(), own: None })
    }

    /// What equal `GET` jobs are found by.
    pub fn equal_name(&self) -> Option<NewName<'_>> {
        self.equal.as_ref().map(|digest| NewName { scope: ClaimScope::Equal, key: digest, own: None })
    }
}

/// What is known of a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NameFacts {
    /// What it stands for.
    pub claim: Fact<Claim>,
    /// The job that it stands for.
    pub job: Fact<Box<Job>>,
    /// The id of that job, as what remembers its purge says.
    pub tombstone: Fact<JobId>,
}

/// What must be looked up next to know what a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// [`NameFacts::claim`].
    Claim,
    /// [`NameFacts::job`].
    Job(JobNo),
    /// [`NameFacts::tombstone`].
    Tombstone(JobNo),
}

impl NameFacts {
    /// What must still be known of `name`, one thing after the other.
    pub fn next(&self, name: NewName<'_>) -> Option<Look> {
        let no = match &self.claim {
            Fact::NotAsked => return Some(Look::Claim),
            Fact::Absent => name.own?.0,
            Fact::Here(claim) => claim.no,
        };
        match &self.job {
            Fact::NotAsked => Some(Look::Job(no)),
            Fact::Here(_) => None,
            Fact::Absent => self.tombstone.is_missing().then_some(Look::Tombstone(no)),
        }
    }

    /// What stands under `name`: the job, or the fact that it was purged. An id may be one that the store itself gave out:
    /// nobody asked for that job under this id, so nothing that is `asked` for is the same.
    fn known(self, name: NewName<'_>, asked: &Digest) -> Result<Option<Known>, NotAsked> {
        let claim = self.claim.known("what a name stands for")?;
        let (fingerprint, own) = match (claim, name.own) {
            (Some(claim), _) => (claim.fingerprint, None),
            (None, Some((_, id))) => (asked.map(|byte| !byte), Some(id)),
            (None, None) => return Ok(None),
        };
        let is_it = |id: &JobId| own.is_none_or(|own| own == *id);
        let (id, job) = match self.job.known("the job of a name")? {
            Some(job) => (Some(job.id), Some(job)),
            None => (self.tombstone.known("what is left of the job of a name")?, None),
        };
        Ok(id.filter(is_it).map(|id| Known { fingerprint, id, job }))
    }
}

/// What a new job must know, as it is in the transaction under way. Of the names, those that it goes by.
#[derive(Clone, Debug, Default)]
pub struct NewFacts {
    /// Whether its queue and its kind are there, or there is room for them.
    pub has_room: bool,
    /// Bounds and present statistics of its queue.
    pub queue: QueueFacts,
    /// See [`NewJob::chosen_id`].
    pub by_id: NameFacts,
    /// See [`NewJob::key_name`].
    pub by_key: NameFacts,
    /// See [`NewJob::equal_name`].
    pub equal: NameFacts,
}

/// Takes new jobs, all or none, or finds those that they already are. Facts are as they were before the first of them. The
/// `name` of their batch stands for all of them from then on: see [`super::again`] for one that does so already. `fresh`
/// makes the ids of those that chose none.
pub fn take<J: ExactSizeIterator<Item = (NewJob, NewFacts)>>(
    mut jobs: J,
    name: Option<BatchName>,
    mut fresh: impl FnMut(&mut Moment<'_>) -> (JobNo, JobId),
    moment: &mut Moment<'_>,
) -> Result<Carried, NotAsked> {
    let mut done = Vec::with_capacity(jobs.len());
    let (mut changes, mut more) = (Vec::new(), Vec::new());
    let mut before = Before::default();
    while let Some((new, mut facts)) = jobs.next() {
        let keyed_by = if done.is_empty() { None } else { before.add_to(&mut facts, &new, &done) };
        match take_one(new, facts, fresh(moment), moment)? {
            Err(refusal) => {
                // Nobody ever hears of the job that has the key: it is taken back with the others.
                let twice = keyed_by.filter(|_| matches!(refusal, Refusal::KeyReused(_)));
                let refusal = twice.map_or(refusal, Refusal::KeyTwice);
                return Ok(Reply::Refused(done.len(), refusal).into());
            }
            Ok((submitted, decided)) => {
                if jobs.len() > 0 {
                    before.note(done.len(), &submitted, &decided);
                }
                if done.is_empty() {
                    changes = decided;
                } else {
                    more.push(decided);
                }
                done.push(submitted);
            }
        }
    }
    if let Some(BatchName { id, fingerprint }) = name.filter(|_| !done.is_empty()) {
        let jobs = done.iter().map(|one| one.job().no).collect();
        more.push(vec![Change::ClaimBatch { id, jobs, fingerprint }]);
    }
    Ok(Carried { changes, more, reply: Reply::Submitted(done) })
}

fn take_one(
    new: NewJob,
    facts: NewFacts,
    fresh: (JobNo, JobId),
    moment: &mut Moment<'_>,
) -> Result<Result<(Submitted, Vec<Change>), Refusal>, NotAsked> {
    if !facts.has_room {
        return Ok(Err(Refusal::TooManyNames));
    }
    let known = |facts: NameFacts, name: Option<NewName<'_>>| match name {
        Some(name) => facts.known(name, &new.fingerprint),
        None => Ok(None),
    };
    let facts = SubmitFacts {
        queue: facts.queue,
        by_id: known(facts.by_id, new.chosen_id())?,
        by_key: known(facts.by_key, new.key_name())?,
        equal: known(facts.equal, new.equal_name())?.and_then(|known| known.job),
    };
    Ok(decide::submit(new, facts, fresh, moment))
}

/// Where a name is unique, and the name.
type Place = (ClaimScope, Option<Name>, Box<[u8]>);

/// What the jobs of a submit came to so far: those after them must see it, and it is not written yet.
#[derive(Default)]
struct Before {
    /// Where in the answer a job stands as it is now, if something may find it: a job without any name is found by nobody.
    jobs: HashMap<JobNo, usize>,
    /// Each with the index of the job that made it.
    claims: HashMap<Place, (Claim, usize)>,
    /// How many are new in a queue.
    new: HashMap<Name, u64>,
    new_in_all: u64,
}

impl Before {
    fn note(&mut self, index: usize, submitted: &Submitted, decided: &[Change]) {
        let job = submitted.job();
        let mut is_named = !matches!(submitted, Submitted::New(_));
        for change in decided {
            match change {
                Change::Insert(job, _) => {
                    match self.new.get_mut(&job.queue) {
                        Some(new) => *new += 1,
                        None => _ = self.new.insert(job.queue.clone(), 1),
                    }
                    self.new_in_all += 1;
                }
                Change::Claim { scope, key, no, fingerprint } => {
                    is_named = true;
                    let claim = Claim { no: *no, fingerprint: *fingerprint };
                    self.claims.insert(place(*scope, &job.queue, key), (claim, index));
                }
                Change::Update { .. }
                | Change::ClaimBatch { .. }
                | Change::Event(_)
                | Change::Result(..)
                | Change::Failure(..)
                | Change::Progress(..)
                | Change::Piece(_)
                | Change::Settings(..)
                | Change::Put { .. }
                | Change::Delete { .. }
                | Change::Forget(_)
                | Change::Erase(_)
                | Change::Extend(..)
                | Change::AskToStop(_)
                | Change::EndLease(_)
                | Change::FollowUp(_) => {}
            }
        }
        if is_named {
            self.jobs.insert(job.no, index);
        }
    }

    /// Answers the index of the job that made the key of the new one stand for something.
    fn add_to(&self, facts: &mut NewFacts, new: &NewJob, done: &[Submitted]) -> Option<usize> {
        let mut keyed_by = None;
        let in_queue = self.new.get(&new.queue).copied().unwrap_or(0);
        facts.queue.waiting += in_queue;
        facts.queue.waiting_in_all += self.new_in_all;
        facts.queue.next_ticket += in_queue.cast_signed();
        let names = [new.chosen_id(), new.key_name(), new.equal_name()];
        for (name, facts) in names.into_iter().zip([&mut facts.by_id, &mut facts.by_key, &mut facts.equal]) {
            let Some(name) = name else { continue };
            if let Some((claim, index)) = self.claims.get(&place(name.scope, &new.queue, name.key)) {
                facts.claim = Fact::Here(*claim);
                keyed_by = (name.scope == ClaimScope::Key).then_some(*index).or(keyed_by);
            }
            let no = match &facts.claim {
                Fact::NotAsked => None,
                Fact::Absent => name.own.map(|(no, _)| no),
                Fact::Here(claim) => Some(claim.no),
            };
            if let Some(index) = no.and_then(|no| self.jobs.get(&no)) {
                facts.job = Fact::Here(Box::new(done[*index].job().clone()));
            }
        }
        keyed_by
    }
}

fn place(scope: ClaimScope, queue: &Name, key: &[u8]) -> Place {
    let queue = match scope {
        ClaimScope::Id | ClaimScope::Batch => None,
        ClaimScope::Key | ClaimScope::Equal => Some(queue.clone()),
    };
    (scope, queue, key.into())
}
