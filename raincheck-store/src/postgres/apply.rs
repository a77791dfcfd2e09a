use std::collections::BTreeSet;

use raincheck_core::decide::{self, Known, SubmitFacts};
use raincheck_core::interpreter::{self, Carried, Fact, NamedQueue};
use raincheck_core::{Command, JobId, Millis, Name, NewJob, QueueFacts, Refusal, Reply, Submitted, limits};

use super::batch::{Batch, ClaimKey};
use super::names::Names;
use super::shared::Trouble;

/// After a look for names to forget that found none, the next one comes so much later, milliseconds.
const LOOK_AGAIN: Millis = 1_000;

impl Batch<'_> {
    /// Lets the rules decide one command whose facts are loaded. Commands that look for jobs by what they are like go
    /// other ways, see `run`.
    pub(super) fn apply(&mut self, command: Command) -> Result<Reply, Trouble> {
        match command {
            Command::Submit(jobs) => self.submit(jobs),
            Command::Lease(_) | Command::Promote(_) | Command::Expire(_) | Command::Retire(_) | Command::Bury(_) => {
                Err(Trouble::Refused("a command went the wrong way"))
            }
            command => {
                let (mut facts, needs) = self.known_of(&command);
                if let Some(name) = needs.queue {
                    let has_room = !self.too_many_queues(name) || self.crowded()?;
                    facts.queue = Fact::Here(NamedQueue { has_room, settings: self.settings(name) });
                }
                let carried = self.decide(|moment| interpreter::carry_out(command, facts, moment));
                let Carried { changes, reply } = carried.map_err(|missing| Trouble::Refused(missing.0))?;
                self.carry(changes)?;
                Ok(reply)
            }
        }
    }

    fn submit(&mut self, jobs: Vec<NewJob>) -> Result<Reply, Trouble> {
        // All or none: what a refusal takes back must not take back what others did in this transaction.
        if jobs.len() > 1 {
            self.mark();
        }
        let mut done = Vec::with_capacity(jobs.len());
        for (index, new) in jobs.into_iter().enumerate() {
            match self.submit_one(new)? {
                Ok(submitted) => done.push(submitted),
                Err(refusal) => {
                    self.go_back();
                    return Ok(Reply::Refused(index, refusal));
                }
            }
        }
        self.go_on();
        Ok(Reply::Submitted(done))
    }

    fn submit_one(&mut self, new: NewJob) -> Result<Result<Submitted, Refusal>, Trouble> {
        if self.too_many_queues(&new.queue) || self.too_many_kinds(&new.kind) {
            self.crowded()?;
            return Ok(Err(Refusal::TooManyNames));
        }
        let by_id = new.id.and_then(|id| self.chosen(id, &new));
        let by_key =
            new.spec.key.as_ref().and_then(|key| self.known(&ClaimKey::Key(new.queue.clone(), key.as_bytes().into())));
        let equal = new.equal.and_then(|digest| self.known(&ClaimKey::Equal(new.queue.clone(), digest.into()))?.job);
        let in_queue = self.in_queue(&new.queue);
        let facts = SubmitFacts {
            queue: QueueFacts {
                waiting: super::batch::waiting(&in_queue).max(0).unsigned_abs(),
                max_queued: self.settings(&new.queue).max_queued.unwrap_or(self.mind.bounds.max_queued),
                waiting_in_all: self.waiting_in_all().max(0).unsigned_abs(),
                max_in_all: self.mind.bounds.max_in_all,
                next_ticket: in_queue[super::figures::TICKETS] + 1,
            },
            by_id,
            by_key,
            equal,
        };
        let fresh = self.mind.mint.mint(self.now, &mut self.mind.rng);
        if !self.shared.stretches.cover(fresh.0) {
            return Err(Trouble::Uncovered(fresh.0));
        }
        match self.decide(|moment| decide::submit(new, facts, fresh, moment)) {
            Ok((submitted, changes)) => self.carry(changes).map(|()| Ok(submitted)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn too_many_queues(&self, name: &Name) -> bool {
        let here = || self.moves.keys().map(|(queue, _)| queue).chain(&self.set_queues);
        too_many(&self.shared.queues, limits::QUEUES, name, here)
    }

    fn too_many_kinds(&self, name: &Name) -> bool {
        too_many(&self.shared.kinds, limits::KINDS, name, || self.moves.keys().map(|(_, kind)| kind))
    }

    /// There is no room for one more name, unless the transaction is begun anew after some were forgotten.
    fn crowded(&self) -> Result<bool, Trouble> {
        match self.mind.found_no_name {
            Some(at) if self.shared.clock.ticks() - at < LOOK_AGAIN => Ok(false),
            _ => Err(Trouble::Crowded),
        }
    }

    /// What stands under a key: the job, or the fact that it was purged.
    fn known(&self, key: &ClaimKey) -> Option<Known> {
        let claim = (*self.claims.get(key)?)?;
        let job = self.job(claim.no).cloned();
        let id = job.as_ref().map(|job| job.id).or_else(|| self.tombstones.get(&claim.no).copied())?;
        Some(Known { fingerprint: claim.fingerprint, id, job })
    }

    /// What stands under an id that a client chose: the job submitted under it, or one the store itself gave it to.
    fn chosen(&self, id: JobId, new: &NewJob) -> Option<Known> {
        if let Some(known) = self.known(&ClaimKey::Id(id.0.as_bytes()[..].into())) {
            return Some(known);
        }
        let (no, _) = id.parts()?;
        let job = self.job(no).filter(|job| job.id == id).cloned();
        let taken = job.is_some() || self.tombstones.get(&no) == Some(&id);
        // Nobody asked for that job under this id, so nothing that is asked for is the same.
        taken.then(|| Known { fingerprint: new.fingerprint.map(|byte| !byte), id, job })
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
