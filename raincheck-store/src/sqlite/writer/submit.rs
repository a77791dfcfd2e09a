use raincheck_core::decide::Moment;
use raincheck_core::interpreter::{self, NewFacts};
use raincheck_core::{BatchName, NewJob, Reply};

use super::state::WriterState;
use super::unused_names::NewNames;
use crate::sqlite::error::Result;

impl WriterState<'_> {
    pub(super) fn submit_batch(&mut self, name: BatchName, jobs: Vec<NewJob>) -> Result<Reply> {
        let facts = self.batch_facts(&name.id)?;
        let decided = self.decide(|moment| interpreter::again(&name, facts, moment.now));
        match decided? {
            Some(reply) => Ok(reply),
            None => self.submit(jobs, Some(name)),
        }
    }

    pub(super) fn submit(&mut self, mut jobs: Vec<NewJob>, name: Option<BatchName>) -> Result<Reply> {
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
}
