//! One command: load its facts, let the rules decide, write what they say.

use raincheck_core::interpreter::{self, Carried, Fact, Facts, Held, NamedQueue, Needs, NewFacts, Recorded};
use raincheck_core::{Command, NewJob, Outcome, Overdue, Purged, QueueFacts, Refusal, Reply, State, Submitted, decide};

use super::{LeaseChange, Model, Stop};
use crate::Flaw;

impl Model {
    /// Carries out one command within the open transaction.
    pub fn apply(&mut self, command: Command) -> Result<Reply, Stop> {
        match command {
            Command::Submit(jobs) => self.submit(jobs),
            Command::Lease(request) => self.lease(&request),
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
            command => self.carry_out(command),
        }
    }

    fn carry_out(&mut self, mut command: Command) -> Result<Reply, Stop> {
        if let Command::Settle(settle) = &mut command
            && self.has(Flaw::SettleWithoutAttempt)
            && let Some(job) = self.disk.jobs.get(settle.lease.no)
        {
            settle.lease = job.lease_ref();
        }
        let mut facts = Facts::default();
        loop {
            let needs = interpreter::needs(&command, &facts);
            if needs.is_empty() {
                break;
            }
            self.look_up(&command, needs, &mut facts);
        }
        let carried = self.decide(|moment| interpreter::carry_out(command, facts, moment));
        let Carried { changes, reply } = carried.map_err(|missing| Stop::Refused(missing.to_string()))?;
        self.carry(changes)?;
        Ok(reply)
    }

    fn look_up(&self, command: &Command, needs: Needs<'_>, facts: &mut Facts) {
        if let Some(no) = needs.job {
            facts.job = self.row(no).into();
        }
        if let Some(lease) = needs.lease {
            let overdue = match command {
                Command::Settle(settle) if self.has(Flaw::SweepWithoutDeadline) => match settle.outcome {
                    Outcome::TimedOut => Some(Overdue::TimedOut),
                    _ => Some(Overdue::Lost),
                },
                // What a hand-over in this transaction gave counts at once.
                _ if self.lease_changes.iter().any(|c| matches!(c, LeaseChange::Extend(it, _) if *it == lease)) => None,
                _ => self.leases.overrun(lease, self.lease_clock()),
            };
            let worker = self.leases.worker(lease).unwrap_or_default().into();
            facts.lease = Fact::Here(Held { overdue, worker });
        }
        if let Some(no) = needs.recorded {
            facts.recorded = self.disk.results.get(&no).map(Recorded::of).into();
        }
        if let Some(no) = needs.retry {
            facts.retry = self.disk.specs.get(&no).map(|spec| spec.retry).into();
        }
        if let Some(place) = needs.part {
            facts.part = self.disk.chunks.get(&place).map(|kept| kept.part).into();
        }
        if let Some(name) = needs.queue {
            let settings = self.disk.queues.get(name).map(|row| row.settings.clone()).unwrap_or_default();
            facts.queue = Fact::Here(NamedQueue { has_room: true, settings });
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
        let row = self.disk.queues.get(&new.queue);
        let waiting = |by_state: [u64; 7]| by_state[..State::Running as usize].iter().sum();
        let facts = NewFacts {
            has_room: true,
            queue: QueueFacts {
                waiting: waiting(self.disk.jobs.count(|queue, _| *queue == new.queue)),
                max_queued: row.and_then(|row| row.settings.max_queued).unwrap_or(self.setup.max_queued),
                waiting_in_all: waiting(self.disk.jobs.count(|_, _| true)),
                max_in_all: self.setup.max_in_all,
                next_ticket: row.map_or(0, |row| row.tickets) + 1,
            },
            by_id: self.stands_for(new.chosen_id(), &new.queue),
            by_key: self.stands_for(new.key_name(), &new.queue),
            equal: self.stands_for(new.equal_name(), &new.queue),
        };
        let fresh = self.mint.mint(self.now, &mut self.rng);
        let taken = self.decide(|moment| interpreter::take(new, facts, fresh, moment));
        match taken.map_err(|missing| Stop::Refused(missing.to_string()))? {
            Ok((submitted, changes)) => self.carry(changes).map(|()| Ok(submitted)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}
