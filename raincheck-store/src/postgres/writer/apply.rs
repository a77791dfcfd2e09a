//! One command, of which the facts are loaded already: the rules decide, what they say is kept in the batch.

use std::collections::BTreeSet;

use raincheck_core::decide::Moment;
use raincheck_core::interpreter::{
    self, BatchFacts, BatchJob, Carried, Claim, Fact, Look, NameFacts, NamedQueue, NewFacts, NewName, NotAsked,
};
use raincheck_core::{BatchName, Command, Job, JobId, JobNo, Millis, Name, NewJob, QueueFacts, Reply, limits};

use super::batch::Batch;
use super::claim::{self, ClaimKey};
use crate::postgres::error::PgError;
use crate::postgres::tables::counters;
use crate::postgres::tables::names::Names;

/// After a look for names to forget that found none, the next one comes so much later, milliseconds.
const LOOK_AGAIN: Millis = 1_000;

impl Batch<'_> {
    /// Lets the rules decide one command whose facts are loaded. Commands that look for jobs by what they are like go
    /// other ways, see `Batch::group`.
    pub(crate) fn apply(&mut self, command: Command) -> Result<Reply, PgError> {
        match command {
            Command::Submit(jobs) => self.submit(jobs, None),
            Command::SubmitBatch(raincheck_core::Batch { name, jobs }) => {
                let facts = self.batch_facts(&name.id);
                match interpreter::again(&name, facts, self.now).map_err(|missing| PgError::Refused(missing.0))? {
                    Some(reply) => Ok(reply),
                    None => self.submit(jobs, Some(name)),
                }
            }
            Command::Lease(_)
            | Command::Promote(_)
            | Command::Expire(_)
            | Command::PurgeExpired(_)
            | Command::CatchUp(_)
            | Command::DropTombstones(_)
            | Command::Trim(_) => Err(PgError::Refused("a command went the wrong way")),
            Command::Settle(_)
            | Command::Progress(..)
            | Command::Append(_)
            | Command::Extend(..)
            | Command::Cancel(_)
            | Command::RunNow(..)
            | Command::Purge(_)
            | Command::SetQueue(..)
            | Command::Put(_)
            | Command::Delete(_) => {
                let (mut facts, needs) = self.known_of(&command);
                if let Some(name) = needs.queue {
                    let has_room = !self.too_many_queues(name, &[]) || self.crowded()?;
                    facts.queue = Fact::Here(NamedQueue { has_room, settings: self.settings(name) });
                }
                let carried = self.decide(|moment| interpreter::carry_out(command, facts, moment));
                self.take_over(carried)
            }
        }
    }

    fn submit(&mut self, jobs: Vec<NewJob>, name: Option<BatchName>) -> Result<Reply, PgError> {
        let mut facts = Vec::with_capacity(jobs.len());
        for (index, new) in jobs.iter().enumerate() {
            facts.push(self.facts_of(new, &jobs[..index])?);
        }
        let (mut moment, mint) = self.moment();
        let fresh = |moment: &mut Moment<'_>| mint.mint(moment.now, moment.rng);
        let carried = interpreter::take(jobs.into_iter().zip(facts), name, fresh, &mut moment);
        self.take_over(carried)
    }

    /// Takes over what a command comes to.
    pub(crate) fn take_over(&mut self, carried: Result<Carried, NotAsked>) -> Result<Reply, PgError> {
        let Carried { changes, more, reply } = carried.map_err(|missing| PgError::Refused(missing.0))?;
        self.apply_changes(changes)?;
        for changes in more {
            self.apply_changes(changes)?;
        }
        Ok(reply)
    }

    /// What a new job must know that is submitted after those `before`.
    fn facts_of(&self, new: &NewJob, before: &[NewJob]) -> Result<NewFacts, PgError> {
        let too_many = self.too_many_queues(&new.queue, before) || self.too_many_kinds(&new.kind, before);
        let has_room = !too_many || self.crowded()?;
        let in_queue = self.in_queue(&new.queue);
        Ok(NewFacts {
            has_room,
            queue: QueueFacts {
                waiting: counters::waiting(&in_queue).max(0).unsigned_abs(),
                max_queued: self.settings(&new.queue).max_queued.unwrap_or(self.state.bounds.max_queued),
                waiting_in_all: self.waiting_in_all().max(0).unsigned_abs(),
                max_in_all: self.state.bounds.max_in_all,
                next_ticket: in_queue[counters::TICKETS] + 1,
            },
            by_id: self.stands_for(new.chosen_id(), &new.queue),
            by_key: self.stands_for(new.key_name(), &new.queue),
            equal: self.stands_for(new.equal_name(), &new.queue),
        })
    }

    /// What is known of a name of a new job in this queue.
    fn stands_for(&self, name: Option<NewName<'_>>, queue: &Name) -> NameFacts {
        let mut facts = NameFacts::default();
        let Some(name) = name else { return facts };
        loop {
            let before = facts.next(name);
            match before {
                Some(Look::Claim) => {
                    let key = ClaimKey::of(name.scope, queue, name.key.into());
                    facts.claim = match self.claims.get(&key) {
                        Some(known) => {
                            known.as_ref().map(|claim| Claim { no: claim.no, fingerprint: claim.fingerprint }).into()
                        }
                        // Nothing can stand under a name in a queue that is not on disk.
                        None if self.scope(&key).is_none() => Fact::Absent,
                        None => Fact::NotAsked,
                    };
                }
                Some(Look::Job(no)) => facts.job = self.job_fact(no).map(Box::new),
                Some(Look::Tombstone(no)) => facts.tombstone = self.tombstone_fact(no),
                None => return facts,
            }
            if facts.next(name) == before {
                return facts;
            }
        }
    }

    fn job_fact(&self, no: JobNo) -> Fact<Job> {
        self.jobs.get(&no).map_or(Fact::NotAsked, |known| known.as_ref().map(|entry| entry.job.clone()).into())
    }

    fn tombstone_fact(&self, no: JobNo) -> Fact<JobId> {
        self.tombstones.get(&no).map_or(Fact::NotAsked, |known| (*known).into())
    }

    /// What is known of the request id of a batch.
    fn batch_facts(&self, id: &str) -> BatchFacts {
        let Some(known) = self.claims.get(&ClaimKey::of_batch(id)) else { return BatchFacts::default() };
        let claim = known.as_ref().and_then(claim::Claim::of_batch);
        let jobs = claim.iter().flat_map(|claim| claim.jobs.iter());
        let jobs = jobs.map(|no| BatchJob { job: self.job_fact(*no), tombstone: self.tombstone_fact(*no) }).collect();
        BatchFacts { claim: claim.into(), jobs }
    }

    fn too_many_queues(&self, name: &Name, before: &[NewJob]) -> bool {
        let new = || before.iter().map(|new| &new.queue);
        let here = || self.moves.keys().map(|(queue, _)| queue).chain(&self.set_queues).chain(new());
        too_many(&self.shared.names.queues, limits::QUEUES, name, here)
    }

    fn too_many_kinds(&self, name: &Name, before: &[NewJob]) -> bool {
        let new = || before.iter().map(|new| &new.kind);
        too_many(&self.shared.names.kinds, limits::KINDS, name, || self.moves.keys().map(|(_, kind)| kind).chain(new()))
    }

    /// There is no room for one more name, unless the transaction is begun anew after some were forgotten.
    fn crowded(&self) -> Result<bool, PgError> {
        match self.state.found_no_name {
            Some(at) if self.shared.clock.own.ticks() - at < LOOK_AGAIN => Ok(false),
            _ => Err(PgError::Crowded),
        }
    }
}

/// Whether a name would be one too many, beside those that this transaction has met: `here`, known or new, some of them
/// twice.
fn too_many<'n, I: Iterator<Item = &'n Name>>(names: &Names, most: usize, name: &Name, here: impl Fn() -> I) -> bool {
    if names.number(name.as_str()).is_some() || names.len() + here().count() < most {
        return false;
    }
    let new: BTreeSet<&Name> = here().filter(|name| names.number(name.as_str()).is_none()).collect();
    !new.contains(name) && names.len() + new.len() >= most
}
