//! What a rule must know, looked up in the database and in memory.

use raincheck_core::interpreter::{
    BatchFacts, BatchJob, Fact, Facts, Held, Look, NameFacts, NamedQueue, Needs, NewFacts, NewName,
};
use raincheck_core::{NewJob, QueueFacts};

use super::state::{LeaseChange, WriterState};
use super::unused_names::NewNames;
use super::{due, lease};
use crate::sqlite::error::Result;
use crate::sqlite::tables::claims::{self, Place};
use crate::sqlite::tables::{chunks, objects, rows};

impl WriterState<'_> {
    /// Looks up what a command still needs to know.
    pub(super) fn look_up(&mut self, needs: Needs<'_>, facts: &mut Facts) -> Result<()> {
        if let Some(no) = needs.job {
            facts.job = self.job(no)?.into();
        }
        if let Some(lease) = needs.lease {
            let leases = self.shared.leases.lock();
            // What a hand-over in this transaction gave counts at once.
            let is_extended = |c: &LeaseChange| matches!(c, LeaseChange::Extend(it, _) if *it == lease);
            let overdue = leases.overrun(lease, self.shared.clock.reading());
            let overdue = overdue.filter(|_| !self.leases.iter().any(is_extended));
            facts.lease = Fact::Here(Held { overdue, worker: leases.worker(lease).unwrap_or_default() });
        }
        if let Some(no) = needs.recorded {
            facts.recorded = rows::recorded(self.db, no)?.into();
        }
        if needs.retry.is_some()
            && let Fact::Here(job) = &facts.job
        {
            facts.retry = Fact::Here(lease::spec(self, job)?.retry);
        }
        if let Some(place) = needs.part {
            facts.part = chunks::part(self.db, place)?.into();
        }
        if let Some(name) = needs.queue {
            let has_room = self.has_room(name)?;
            let number = self.shared.names.queue_number(name.as_str());
            let known = number.and_then(|number| self.counters.queues.get(&number));
            let settings = known.map(|queue| queue.settings.clone()).unwrap_or_default();
            facts.queue = Fact::Here(NamedQueue { has_room, settings });
        }
        if let Some(due) = needs.due {
            facts.due = Fact::Here(due::due(self, due)?);
        }
        if let Some((kind, name)) = needs.object {
            facts.object = Fact::Here(objects::named(self.db, kind, name)?);
        }
        Ok(())
    }

    /// What one of the new jobs `all` must know; `names` are new with those before it.
    pub(super) fn facts_of<'j>(
        &mut self,
        new: &'j NewJob,
        all: &'j [NewJob],
        names: &mut NewNames<'j>,
    ) -> Result<NewFacts> {
        let Some(queue) = self.room_beside(new, all, names)? else { return Ok(NewFacts::default()) };
        let in_queue = self.counters.queues.get(&queue);
        Ok(NewFacts {
            has_room: true,
            queue: QueueFacts {
                waiting: in_queue.map_or(0, |q| q.by_state[..3].iter().sum()),
                max_queued: in_queue.and_then(|q| q.settings.max_queued).unwrap_or(self.bounds.max_queued),
                waiting_in_all: self.counters.waiting,
                max_in_all: self.bounds.max_in_all,
                next_ticket: in_queue.map_or(0, |q| q.tickets) + 1,
            },
            by_id: self.stands_for(new.chosen_id(), queue)?,
            by_key: self.stands_for(new.key_name(), queue)?,
            equal: self.stands_for(new.equal_name(), queue)?,
        })
    }

    /// What a name of a new job stands for.
    fn stands_for(&self, name: Option<NewName<'_>>, queue: i64) -> Result<NameFacts> {
        let mut facts = NameFacts::default();
        let Some(name) = name else { return Ok(facts) };
        while let Some(look) = facts.next(name) {
            match look {
                Look::Claim => facts.claim = claims::find(self.db, Place::of(name.scope, queue), name.key)?.into(),
                Look::Job(no) => facts.job = claims::job(self.db, &self.shared.names, no)?.map(Box::new).into(),
                Look::Tombstone(no) => facts.tombstone = claims::tombstone(self.db, no)?.into(),
            }
        }
        Ok(facts)
    }

    /// What is known of the request id of a batch.
    pub(super) fn batch_facts(&mut self, id: &str) -> Result<BatchFacts> {
        let mut facts = BatchFacts::default();
        while let Some(look) = facts.next() {
            match look {
                Look::Claim => facts.claim = claims::find_batch(self.db, id)?.into(),
                Look::Job(no) => facts.jobs.push(BatchJob { job: self.job(no)?.into(), ..BatchJob::default() }),
                Look::Tombstone(no) => {
                    let found = claims::tombstone(self.db, no)?;
                    facts.jobs.last_mut().into_iter().for_each(|job| job.tombstone = found.into());
                }
            }
        }
        Ok(facts)
    }
}
