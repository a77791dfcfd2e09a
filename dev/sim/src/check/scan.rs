//! Everything that is stored against everything that happened: after every restart, and now and then.

use raincheck_core::{JobNo, State};

use super::{Checker, Verdict, demand};
use crate::model::{Claim, Model};

impl Checker {
    /// Compares all that is on disk with what must be so.
    pub fn scan(&self, store: &Model) -> Verdict {
        for no in &self.acknowledged {
            let there = self.lives.contains_key(no) || self.forgotten.contains_key(no);
            demand!(there, *no, "acknowledged, and gone");
        }
        for job in store.disk().jobs.iter() {
            demand!(self.lives.contains_key(&job.no), job.no, "a job that nobody was told of: {job:#?}");
        }
        for (no, life) in &self.lives {
            let Some(row) = store.job(*no) else {
                demand!(false, *no, "a job is missing: {:#?}", life.row);
                continue;
            };
            demand!(*row == life.row, *no, "a job changed behind our back: {:#?} became {row:#?}", life.row);
            let events: Vec<_> = store.job_events(*no).map(|event| event.seq).collect();
            demand!(events.iter().copied().eq(1..=life.seq), *no, "its events are {events:?} of {}", life.seq);
            demand!(store.spec(*no).is_some(), *no, "nobody knows what it asks for");
            let (failure, _) = store.reports(*no);
            let fails = matches!(row.state, State::Failed | State::Canceled);
            demand!(!fails || failure.is_some(), *no, "an end that does not say why");
            let result = store.result(*no).map(|result| (row.attempt, result.digest));
            demand!(result.is_some() == (row.state == State::Succeeded), *no, "{:?} with {result:?}", row.state);
            let runs = store.worker(row.lease_ref()).is_some();
            demand!(runs == (row.state == State::Running), *no, "{:?}, leased: {runs}", row.state);
            if let Some(accepted) = self.accepted.get(no) {
                demand!(result == Some(*accepted), *no, "{accepted:?} was taken, kept is {result:?}");
            }
        }
        for no in self.forgotten.keys() {
            demand!(store.disk().has_tombstone(*no), *no, "a tombstone is missing");
        }
        let objects: Vec<_> = store.disk().objects.iter().map(|(_, object)| object).collect();
        let kept: Vec<_> = self.counts.objects().collect();
        demand!(objects == kept, JobNo(0), "named objects are {objects:?}, put were {kept:?}");
        self.names(store)?;
        self.recount(store)
    }

    /// Every name stands for the job that it was given to.
    fn names(&self, store: &Model) -> Verdict {
        let there = |claim: Claim| store.disk().claims.get(&claim).map(|(no, _)| *no);
        for ((queue, key), (no, _)) in &self.keys {
            let found = there(Claim::Key(queue.clone(), key.as_bytes().into()));
            demand!(found == Some(*no), *no, "the key {key:?} stands for {found:?}");
        }
        for (id, (no, _)) in &self.ids {
            let found = there(Claim::Id(*id));
            demand!(found == Some(*no), *no, "the id {id} stands for {found:?}");
        }
        for (id, (jobs, _)) in &self.batches {
            let found = there(Claim::Batch(id.as_bytes().into()));
            let one = found.filter(|no| jobs.contains(no));
            demand!(one.is_some(), jobs[0], "the batch {id:?} of {jobs:?} stands for {found:?}");
        }
        Ok(())
    }

    /// Kept statistics are those of a recount.
    fn recount(&self, store: &Model) -> Verdict {
        for (name, line) in &self.counts.queues {
            let kept = store.disk().jobs.count(|queue, _| queue == name);
            demand!(kept == line.by_state, JobNo(0), "queue {name}: {kept:?}, counted {:?}", line.by_state);
        }
        for (name, line) in &self.counts.kinds {
            let kept = store.disk().jobs.count(|_, kind| kind == name);
            demand!(kept == line.by_state, JobNo(0), "kind {name}: {kept:?}, counted {:?}", line.by_state);
        }
        Ok(())
    }
}
