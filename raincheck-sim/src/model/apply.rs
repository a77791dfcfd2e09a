//! One command: load its facts, let the rules decide, write what they say.

use raincheck_core::decide::{self, Settled, SubmitFacts};
use raincheck_core::{
    ClaimScope, Command, LeaseRef, NewJob, Outcome, Overdue, Purged, QueueFacts, Refusal, Reply, RetryPolicy, Settle,
    State, Submitted,
};

use super::{LeaseChange, Model, Stop};
use crate::Flaw;

impl Model {
    /// Carries out one command within the open transaction.
    pub fn apply(&mut self, command: Command) -> Result<Reply, Stop> {
        match command {
            Command::Submit(jobs) => self.submit(jobs),
            Command::Lease(request) => self.lease(&request),
            Command::Settle(settle) => self.settle(settle),
            Command::Progress(lease, progress) => {
                let Some(job) = self.row(lease.no) else { return Ok(Reply::Gone) };
                match self.decide(|moment| decide::progress(job, lease.attempt, progress, moment)) {
                    Ok((job, changes)) => self.carry(changes).map(|()| Reply::Job(job)),
                    Err(job) => Ok(Reply::LeaseLost(*job)),
                }
            }
            Command::Append(append) => self.append(append),
            Command::Cancel(cancel) => {
                let Some(job) = self.row(cancel.no) else { return Ok(Reply::Gone) };
                let (reply, changes) = self.decide(|moment| decide::cancel(job, cancel.force, moment));
                if let Reply::Job(job) = &reply
                    && job.state == State::Running
                {
                    self.lease_changes.push(LeaseChange::AskToStop(job.lease_ref()));
                }
                self.carry(changes).map(|()| reply)
            }
            Command::RunNow(no) => {
                let Some(job) = self.row(no) else { return Ok(Reply::Gone) };
                let (reply, changes) = self.decide(|moment| decide::run_now(job, moment));
                self.carry(changes).map(|()| reply)
            }
            Command::Purge(no) => match self.row(no) {
                None => Ok(Reply::Gone),
                Some(job) if !decide::may_purge(&job) => Ok(Reply::NotFinished(job)),
                Some(job) => self.purge(&job).map(|()| Reply::Purged(Purged::default())),
            },
            Command::SetQueue(name, patch) => {
                self.effect()?;
                let mut row = self.disk.queues.get(&name).cloned().unwrap_or_default();
                row.settings = patch.apply(row.settings);
                let settings = row.settings.clone();
                self.disk.queues.set(name, row);
                Ok(Reply::Queue(settings))
            }
            Command::Promote(limit) => {
                let jobs = self.disk.jobs.due(self.now, limit);
                let swept = jobs.len();
                for job in jobs {
                    let (_, changes) = self.decide(|moment| decide::promote(job, moment));
                    self.carry(changes)?;
                }
                Ok(Reply::Swept(swept, Purged::default()))
            }
            Command::Expire(limit) => {
                let jobs = self.disk.jobs.late(self.now, limit);
                let swept = jobs.len();
                for job in jobs {
                    if let Some((_, changes)) = self.decide(|moment| decide::expire(job, moment)) {
                        self.carry(changes)?;
                    }
                }
                Ok(Reply::Swept(swept, Purged::default()))
            }
            Command::Retire(limit) => self.retire(limit),
            Command::Bury(limit) => self.bury(limit),
        }
    }

    /// All or none.
    fn submit(&mut self, jobs: Vec<NewJob>) -> Result<Reply, Stop> {
        let (mark, events, cursor) = (self.disk.mark(), self.events.len(), self.cursor);
        let mut done = Vec::with_capacity(jobs.len());
        for (index, new) in jobs.into_iter().enumerate() {
            match self.submit_one(new)? {
                Ok(submitted) => done.push(submitted),
                Err(refusal) => {
                    if !self.has(Flaw::HalfABatch) {
                        self.disk.back_to(&mark);
                        self.events.truncate(events);
                        self.cursor = cursor;
                    }
                    return Ok(Reply::Refused(index, refusal));
                }
            }
        }
        Ok(Reply::Submitted(done))
    }

    fn submit_one(&mut self, new: NewJob) -> Result<Result<Submitted, Refusal>, Stop> {
        let by_id = new.id.and_then(|id| self.chosen(id, &new.fingerprint));
        let by_key = new.spec.key.as_ref().and_then(|key| self.known(ClaimScope::Key, &new.queue, key.as_bytes()));
        let equal = new.equal.and_then(|digest| self.known(ClaimScope::Equal, &new.queue, &digest));
        let row = self.disk.queues.get(&new.queue);
        let waiting = |by_state: [u64; 7]| by_state[..State::Running as usize].iter().sum();
        let facts = SubmitFacts {
            queue: QueueFacts {
                waiting: waiting(self.disk.jobs.count(|queue, _| *queue == new.queue)),
                max_queued: row.and_then(|row| row.settings.max_queued).unwrap_or(self.setup.max_queued),
                waiting_in_all: waiting(self.disk.jobs.count(|_, _| true)),
                max_in_all: self.setup.max_in_all,
                next_ticket: row.map_or(0, |row| row.tickets) + 1,
            },
            by_id,
            by_key,
            equal: equal.and_then(|known| known.job),
        };
        let fresh = self.mint.mint(self.now, &mut self.rng);
        match self.decide(|moment| decide::submit(new, facts, fresh, moment)) {
            Ok((submitted, changes)) => self.carry(changes).map(|()| Ok(submitted)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn settle(&mut self, Settle { lease, outcome }: Settle) -> Result<Reply, Stop> {
        let Some(job) = self.row(lease.no) else { return Ok(Reply::Gone) };
        // The sweeper looked a moment ago: a heartbeat may have come since.
        let over =
            |why| self.leases.overrun(lease, self.lease_clock()) == Some(why) || self.has(Flaw::SweepWithoutDeadline);
        let stale = match outcome {
            Outcome::Lost => !over(Overdue::Lost),
            Outcome::TimedOut => !over(Overdue::TimedOut),
            _ => false,
        };
        if stale {
            return Ok(Reply::Job(job));
        }
        let attempt = if self.has(Flaw::SettleWithoutAttempt) { job.attempt } else { lease.attempt };
        let recorded = self.disk.results.get(&lease.no).map(|result| result.digest);
        let retry = self.disk.specs.get(&lease.no).map_or_else(RetryPolicy::default, |spec| spec.retry);
        let worker: Box<str> = match outcome {
            Outcome::Lost => self.leases.worker(lease).unwrap_or_default().into(),
            _ => Box::default(),
        };
        match self.decide(|m| decide::settle(job, attempt, outcome, &worker, recorded, &retry, m)) {
            Settled::Changed(job, changes) => {
                self.lease_changes.push(LeaseChange::End(LeaseRef { no: lease.no, attempt }));
                self.carry(changes).map(|()| Reply::Job(job))
            }
            Settled::Repeated(job) => Ok(Reply::Job(job)),
            Settled::LeaseLost(job) => Ok(Reply::LeaseLost(job)),
        }
    }
}
