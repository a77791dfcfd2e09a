use std::collections::BTreeSet;

use raincheck_core::decide::{self, Known, Settled, SubmitFacts};
use raincheck_core::{
    Append, Command, Job, JobId, Millis, Name, NewJob, Outcome, Overdue, QueueFacts, Refusal, Reply, RetryPolicy,
    Settle, State, Submitted, limits,
};

use super::batch::{Batch, ChunkEnd, ClaimKey, LeaseChange, Piece};
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
            Command::Settle(settle) => self.settle(settle),
            Command::Progress(lease, progress) => {
                let Some(job) = self.job(lease.no).cloned() else { return Ok(Reply::Gone) };
                match self.decide(|moment| decide::progress(job, lease.attempt, progress, moment)) {
                    Ok((job, changes)) => self.carry(changes).map(|()| Reply::Job(job)),
                    Err(job) => Ok(Reply::LeaseLost(*job)),
                }
            }
            Command::Append(append) => Ok(self.append(append)),
            Command::Cancel(cancel) => {
                let Some(job) = self.job(cancel.no).cloned() else { return Ok(Reply::Gone) };
                let (reply, changes) = self.decide(|moment| decide::cancel(job, cancel.force, moment));
                if let Reply::Job(job) = &reply
                    && job.state == State::Running
                {
                    self.lease_changes.push(LeaseChange::AskToStop(job.lease_ref()));
                }
                self.carry(changes).map(|()| reply)
            }
            Command::RunNow(no) => {
                let Some(job) = self.job(no).cloned() else { return Ok(Reply::Gone) };
                let (reply, changes) = self.decide(|moment| decide::run_now(job, moment));
                self.carry(changes).map(|()| reply)
            }
            Command::SetQueue(name, patch) => {
                if self.too_many_queues(&name) {
                    return self.crowded().map(|refusal| Reply::Refused(0, refusal));
                }
                let settings = patch.apply(self.settings(&name));
                self.settings.insert(name.clone(), settings.clone());
                self.set_queues.insert(name);
                Ok(Reply::Queue(settings))
            }
            Command::Lease(_)
            | Command::Purge(_)
            | Command::Promote(_)
            | Command::Expire(_)
            | Command::Retire(_)
            | Command::Bury(_) => Err(Trouble::Refused("a command went the wrong way")),
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
            return self.crowded().map(Err);
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

    /// Refuses one more name, or has the transaction begun anew when some were forgotten.
    fn crowded(&self) -> Result<Refusal, Trouble> {
        match self.mind.found_no_name {
            Some(at) if self.shared.clock.ticks() - at < LOOK_AGAIN => Ok(Refusal::TooManyNames),
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

    fn settle(&mut self, Settle { lease, outcome }: Settle) -> Result<Reply, Trouble> {
        let Some(job) = self.job(lease.no).cloned() else { return Ok(Reply::Gone) };
        // The sweeper looked a moment ago: a heartbeat may have come since.
        let stale = match outcome {
            Outcome::Lost => self.overrun(&job, lease.attempt) != Some(Overdue::Lost),
            Outcome::TimedOut => self.overrun(&job, lease.attempt) != Some(Overdue::TimedOut),
            _ => false,
        };
        if stale {
            return Ok(Reply::Job(job));
        }
        let recorded = match (&outcome, self.recorded.get(&lease.no)) {
            (Outcome::Complete(result), Some((digest, content_type, filename)))
                if job.state == State::Succeeded
                    && *content_type == result.content_type
                    && *filename == result.filename =>
            {
                Some(*digest)
            }
            _ => None,
        };
        let retry = match outcome {
            Outcome::Fail { .. } | Outcome::TimedOut => self.retries.get(&lease.no).copied().unwrap_or_default(),
            _ => RetryPolicy::default(),
        };
        let worker = match outcome {
            Outcome::Lost => self.leases.get(&lease.no).map(|lease| lease.worker.clone()).unwrap_or_default(),
            _ => Box::default(),
        };
        match self.decide(|m| decide::settle(job, lease.attempt, outcome, &worker, recorded, &retry, m)) {
            Settled::Changed(job, changes) => {
                self.lease_changes.push(LeaseChange::End(lease));
                self.carry(changes).map(|()| Reply::Job(job))
            }
            Settled::Repeated(job) => Ok(Reply::Job(job)),
            Settled::LeaseLost(job) => Ok(Reply::LeaseLost(job)),
        }
    }

    /// Why a run is over by now, if it is: the deadline in the predicate of every sweeping settle.
    fn overrun(&self, job: &Job, attempt: u32) -> Option<Overdue> {
        if self.unheard {
            return None;
        }
        let lease = self.leases.get(&job.no).filter(|kept| kept.lease.attempt == attempt && job.attempt == attempt)?;
        let grace = self.shared.regained.load(std::sync::atomic::Ordering::Acquire).saturating_add(lease.ttl);
        if lease.lease_until.max(grace) <= self.ticks {
            Some(Overdue::Lost)
        } else if lease.time_until <= self.ticks {
            Some(Overdue::TimedOut)
        } else {
            None
        }
    }

    fn append(&mut self, append: Append) -> Reply {
        let Some(job) = self.job(append.lease.no).cloned() else { return Reply::Gone };
        if !decide::may_append(&job, &append) {
            return Reply::LeaseLost(job);
        }
        let place = (job.no, append.kind, super::chunks::place(append.kind, job.attempt));
        let ChunkEnd { end, run, base } = self.chunk_ends.get(&place).copied().unwrap_or_default();
        let base = if run == job.attempt { base } else { end };
        // Senders count from the beginning of their own run.
        let offset = append.offset.map_or(end, |offset| base.saturating_add(offset));
        let known = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        if offset > end || known >= append.bytes.len() {
            // A hole is not written; a repeated piece is not doubled. Either way the sender learns where the end is.
            return Reply::Appended(end - base);
        }
        let bytes = append.bytes.slice(known..);
        if end + bytes.len() as u64 > append.limit {
            return Reply::Full;
        }
        let mut at = end;
        for start in (0..bytes.len()).step_by(limits::CHUNK_BYTES) {
            let piece = bytes.slice(start..bytes.len().min(start + limits::CHUNK_BYTES));
            let content_type = append.content_type.clone().filter(|_| at == 0);
            let size = piece.len() as u64;
            self.pieces.push(Piece { place, start: at, run: job.attempt, base, content_type, bytes: piece });
            at += size;
        }
        self.chunk_ends.insert(place, ChunkEnd { end: at, run: job.attempt, base });
        self.grown.push((job.no, append.kind));
        Reply::Appended(at - base)
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
