//! One command: its facts are loaded, the rules decide, what they say is written.

use raincheck_core::decide::Moment;
use raincheck_core::interpreter::{self, Carried, Facts, NewFacts};
use raincheck_core::{Batch, BatchName, Command, NewJob, Reply};

use super::state::WriterState;
use super::unused_names::NewNames;
use super::{purge, trim};
use crate::sqlite::error::Result;

impl WriterState<'_> {
    /// Loads the facts of one command, lets the rules decide, and writes what they say.
    pub(super) fn apply(&mut self, command: Command) -> Result<Reply> {
        if self.follow_ups.go_before(&command) {
            self.follow()?;
        }
        match command {
            Command::Submit(jobs) => self.submit(jobs, None),
            Command::SubmitBatch(Batch { name, jobs }) => self.submit_batch(name, jobs),
            Command::Lease(request) => self.lease(&request),
            Command::CatchUp(limit) => self.catch_up(limit),
            Command::DropTombstones(limit) => Ok(purge::drop_tombstones(self, limit)?),
            Command::Trim(trim) => Ok(trim::trim(self, trim)?),
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
            | Command::Expire(_)
            | Command::PurgeExpired(_) => self.carry_out(command),
        }
    }

    fn submit_batch(&mut self, name: BatchName, jobs: Vec<NewJob>) -> Result<Reply> {
        let facts = self.batch_facts(&name.id)?;
        let decided = self.decide(|moment| interpreter::again(&name, facts, moment.now));
        match decided? {
            Some(reply) => Ok(reply),
            None => self.submit(jobs, Some(name)),
        }
    }

    fn submit(&mut self, mut jobs: Vec<NewJob>, name: Option<BatchName>) -> Result<Reply> {
        if jobs.len() == 1
            && let Some(new) = jobs.pop()
        {
            let facts = self.facts_of(&new, std::slice::from_ref(&new), &mut NewNames::default())?;
            return self.take([(new, facts)].into_iter(), name);
        }
        let (mut facts, mut names) = (Vec::with_capacity(jobs.len()), NewNames::default());
        for new in &jobs {
            facts.push(self.facts_of(new, &jobs, &mut names)?);
        }
        self.take(jobs.into_iter().zip(facts), name)
    }

    fn take(
        &mut self,
        jobs: impl ExactSizeIterator<Item = (NewJob, NewFacts)>,
        name: Option<BatchName>,
    ) -> Result<Reply> {
        let (mut moment, mint) = self.moment();
        let fresh = |moment: &mut Moment<'_>| mint.mint(moment.now, moment.rng);
        let carried = interpreter::take(jobs, name, fresh, &mut moment)?;
        self.write(carried)
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Result<Reply> {
        let mut facts = Facts::default();
        loop {
            let needs = interpreter::needs(&command, &facts);
            if needs.is_empty() {
                break;
            }
            self.look_up(needs, &mut facts)?;
        }
        let carried = self.decide(|moment| interpreter::carry_out(command, facts, moment));
        self.write(carried?)
    }

    pub(super) fn write(&mut self, Carried { changes, more, mut reply }: Carried) -> Result<Reply> {
        let mut blobs = self.apply_changes(changes)?;
        for changes in more {
            blobs.extend(self.apply_changes(changes)?);
        }
        if let Reply::Purged(purged) | Reply::Swept(_, purged) = &mut reply {
            purged.blobs = blobs;
        }
        Ok(reply)
    }
}
