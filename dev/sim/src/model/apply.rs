//! One command: load its facts, let the rules decide, write what they say.

use raincheck_core::decide::Moment;
use raincheck_core::interpreter::{
    self, Carried, Due, Fact, Facts, Held, NamedObject, NamedQueue, Needs, NewFacts, NotAsked, Recorded,
};
use raincheck_core::{Batch, BatchName, Command, NewJob, Outcome, Overdue, QueueFacts, Reply, State};

use super::{LeaseChange, Model, Stop};
use crate::Flaw;

impl Model {
    /// Carries out one command within the open transaction.
    pub fn apply(&mut self, command: Command) -> Result<Reply, Stop> {
        match command {
            Command::Submit(jobs) => self.submit(jobs, None),
            Command::SubmitBatch(Batch { name, jobs }) => {
                match interpreter::again(&name, self.batch_facts(&name.id), self.now) {
                    Ok(Some(reply)) => Ok(reply),
                    Ok(None) => self.submit(jobs, Some(name)),
                    Err(missing) => Err(Stop::Refused(missing.to_string())),
                }
            }
            Command::Lease(request) => self.lease(&request),
            Command::PurgeExpired(_) => {
                let reply = self.carry_out(command)?;
                self.purge_expired(reply)
            }
            Command::CatchUp(limit) => self.catch_up(limit),
            Command::DropTombstones(limit) => self.drop_tombstones(limit),
            Command::Trim(trim) => self.trim(trim),
            Command::Settle(_)
            | Command::Progress(..)
            | Command::Append(_)
            | Command::Extend(..)
            | Command::Cancel(_)
            | Command::RunNow(..)
            | Command::Purge(_)
            | Command::SetQueue(..)
            | Command::Put(_)
            | Command::Delete(_)
            | Command::Promote(_)
            | Command::Expire(_) => self.carry_out(command),
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
        self.write(carried)
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
        if let Some((kind, name)) = needs.object {
            let object = self.disk.objects.get(&(kind, name.clone())).cloned();
            facts.object = Fact::Here(NamedObject { object, has_room: true });
        }
        if let Some(due) = needs.due {
            facts.due = Fact::Here(match due {
                Due::Scheduled(limit) => self.disk.jobs.due(self.now, limit),
                Due::Late(limit) => self.disk.jobs.late(self.now, limit),
                Due::Expired(limit) => self.disk.jobs.expired(self.now, limit),
            });
        }
    }

    fn write(&mut self, carried: Result<Carried, NotAsked>) -> Result<Reply, Stop> {
        let Carried { changes, more, reply } = carried.map_err(|missing| Stop::Refused(missing.to_string()))?;
        self.apply_changes(changes)?;
        for changes in more {
            self.apply_changes(changes)?;
        }
        Ok(reply)
    }

    fn submit(&mut self, jobs: Vec<NewJob>, name: Option<BatchName>) -> Result<Reply, Stop> {
        if self.has(Flaw::HalfABatch) && jobs.len() > 1 {
            return self.submit_one_by_one(jobs);
        }
        let facts: Vec<NewFacts> = jobs.iter().map(|new| self.facts_of(new)).collect();
        let (mut moment, mint) = self.moment();
        let fresh = |moment: &mut Moment<'_>| mint.mint(moment.now, moment.rng);
        let carried = interpreter::take(jobs.into_iter().zip(facts), name, fresh, &mut moment);
        self.write(carried)
    }

    fn submit_one_by_one(&mut self, jobs: Vec<NewJob>) -> Result<Reply, Stop> {
        let mut done = Vec::new();
        for (index, new) in jobs.into_iter().enumerate() {
            match self.submit(vec![new], None)? {
                Reply::Submitted(one) => done.extend(one),
                Reply::Refused(_, refusal) => return Ok(Reply::Refused(index, refusal)),
                other => return Ok(other),
            }
        }
        Ok(Reply::Submitted(done))
    }

    fn facts_of(&self, new: &NewJob) -> NewFacts {
        let row = self.disk.queues.get(&new.queue);
        let waiting = |by_state: [u64; 7]| by_state[..State::Running as usize].iter().sum();
        NewFacts {
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
        }
    }
}
