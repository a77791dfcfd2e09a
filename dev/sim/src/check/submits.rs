//! What a submit may be answered: one job per name, all or none, honest refusals.

use raincheck_core::{Again, Batch, Event, EventType, JobNo, Method, NewJob, Refusal, Reply, State, Submitted};

use super::life::Life;
use super::{Checker, Done, Verdict, Violation, demand};

impl Checker {
    pub(super) fn submitted(&mut self, asked: &[NewJob], got: &[Submitted], events: &[Event]) -> Verdict {
        let mut created = events.iter();
        for (new, got) in asked.iter().zip(got) {
            let job = got.job();
            let no = job.no;
            if let Submitted::New(_) = got {
                let first = created.next().filter(|event| event.no == no && event.seq == 1);
                let fits = first.is_some_and(|e| e.data.event_type() == EventType::Created && e.state == job.state);
                demand!(fits, no, "a new job without its first event: {first:?}");
                self.created(new, got, no)?;
            } else {
                self.found(new, got, no)?;
            }
            // Whoever used the key first was the first for everyone.
            if let Some(key) = &new.spec.key {
                let name = (new.queue.clone(), key.clone());
                let (first, _) = *self.keys.entry(name).or_insert((no, new.fingerprint));
                demand!(first == no, no, "the key {key:?} stands for {first:?} and for {no:?}");
            }
        }
        let extra = created.next();
        demand!(extra.is_none() && asked.len() == got.len(), extra.map_or(JobNo(0), |e| e.no), "too much: {extra:?}");
        Ok(())
    }

    fn created(&mut self, new: &NewJob, got: &Submitted, no: JobNo) -> Verdict {
        let job = got.job();
        demand!(no > self.newest, no, "number {no:?} was given after {:?}", self.newest);
        self.newest = no;
        let full = self.counts.queue_is_full(&new.queue) || self.counts.all_is_full();
        demand!(!full, no, "taken though there was no room");
        let state =
            if new.run_at.unwrap_or(self.now.plus(new.delay)) > self.now { State::Scheduled } else { State::Queued };
        demand!(job.state == state && job.attempt == 0, no, "a new job is {:?}, not {state:?}", job.state);
        if let Some(id) = new.id {
            let before = self.ids.insert(id, (no, new.fingerprint));
            demand!(before.is_none() && job.id == id, no, "the id {id} stands for {before:?} too");
        }
        if let Some(key) = &new.spec.key {
            let before = self.keys.get(&(new.queue.clone(), key.clone()));
            demand!(before.is_none(), no, "the key {key:?} stands for {before:?} too");
        }
        self.counts.moved(job, None, Some(job.state));
        let mut life = Life::new(job, new);
        if state == State::Queued {
            self.line += 1;
            life.queued = (self.starts, self.line);
        }
        self.lives.insert(no, life);
        Ok(())
    }

    /// Not a new job: the one that it already is.
    fn found(&mut self, new: &NewJob, got: &Submitted, no: JobNo) -> Verdict {
        let Some(life) = self.lives.get(&no) else {
            demand!(false, no, "answered with a job that is not there: {got:?}");
            return Ok(());
        };
        let same = |known: Option<&(JobNo, _)>| known == Some(&(no, new.fingerprint));
        let equal = || new.method == Method::Get && new.equal.is_some() && new.equal == life.equal;
        let right = match got {
            Submitted::New(_) => false,
            Submitted::Replayed(_) => {
                same(new.spec.key.as_ref().and_then(|key| self.keys.get(&(new.queue.clone(), key.clone()))))
            }
            Submitted::Existing(_) => same(new.id.and_then(|id| self.ids.get(&id))),
            Submitted::Coalesced(_) => equal() && !life.state.is_final() && !life.stopping,
            Submitted::Cached(_) => {
                let young = |age| self.now.since(life.finished_at) <= age;
                equal() && life.state == State::Succeeded && new.max_age.is_some_and(young)
            }
        };
        demand!(right && !life.is_over(self.now), no, "{new:?} was answered with {got:?}");
        if let (Submitted::Coalesced(_), Some(life)) = (got, self.lives.get_mut(&no)) {
            life.shared += 1;
        }
        Ok(())
    }

    /// Jobs under the name of a batch: those of the first time, whoever asks and whenever.
    pub(super) fn batch(&mut self, Batch { name, jobs }: &Batch, done: &Done) -> Verdict {
        let known = self.batches.get(&name.id);
        let broken = |what: String| Err(Violation { job: None, what: format!("the batch {:?}: {what}", name.id) });
        match (&done.reply, known) {
            (Reply::Submitted(_), Some(known)) => broken(format!("taken, and it is {known:?}")),
            (Reply::Submitted(got), None) => {
                self.submitted(jobs, got, &done.events)?;
                let nos = got.iter().map(|one| one.job().no).collect();
                self.batches.insert(name.id.clone(), (nos, name.fingerprint));
                Ok(())
            }
            (Reply::Again(got), Some((nos, fingerprint))) => {
                let fits = |(no, one): (&JobNo, &Again)| match (one, self.lives.get(no)) {
                    (Again::Here(job), Some(life)) => job.no == *no && !life.is_over(self.now),
                    (Again::Purged(_), Some(life)) => life.is_over(self.now),
                    (Again::Purged(_), None) => self.forgotten.contains_key(no),
                    (Again::Here(_), None) => false,
                };
                let right = *fingerprint == name.fingerprint && got.len() == nos.len() && done.events.is_empty();
                if right && nos.iter().zip(got).all(fits) {
                    return Ok(());
                }
                broken(format!("{nos:?} was answered with {got:?}"))
            }
            (Reply::Again(got), None) => broken(format!("nobody asked before, and it was answered with {got:?}")),
            (Reply::Refused(_, Refusal::BatchReused), Some((_, fingerprint))) if *fingerprint != name.fingerprint => {
                Ok(())
            }
            (Reply::Refused(_, Refusal::BatchForgotten), Some((nos, _)))
                if nos.iter().any(|no| !self.lives.contains_key(no) && !self.forgotten.contains_key(no)) =>
            {
                Ok(())
            }
            (Reply::Refused(index, why), None) => self.refused(jobs, *index, why, done),
            (other, known) => broken(format!("it is {known:?}, and was answered with {other:?}")),
        }
    }

    pub(super) fn refused(&self, asked: &[NewJob], index: usize, why: &Refusal, done: &Done) -> Verdict {
        if let Some(event) = done.events.first() {
            demand!(false, event.no, "refused, and made a job: {why:?}");
        }
        let new = &asked[index];
        // Jobs before it in the batch count as well; only a batch of one says exactly why.
        let alone = asked.len() == 1;
        let by_key = new.spec.key.as_ref().and_then(|key| self.keys.get(&(new.queue.clone(), key.clone())));
        let by_id = new.id.and_then(|id| self.ids.get(&id));
        let honest = match why {
            Refusal::KeyReused(_) => by_key.is_some_and(|(no, print)| {
                let another = new.id.is_some() && by_id.is_none_or(|(chosen, _)| chosen != no);
                another || *print != new.fingerprint
            }),
            Refusal::IdConflict(_) => by_id.is_none_or(|(_, print)| *print != new.fingerprint),
            Refusal::Purged(_) => by_key.into_iter().chain(by_id).any(|(no, _)| {
                self.forgotten.contains_key(no) || self.lives.get(no).is_some_and(|life| life.is_over(self.now))
            }),
            Refusal::QueueFull(queue, _) => self.counts.queue_is_full(queue),
            Refusal::StoreFull(_) => self.counts.all_is_full(),
            Refusal::KeyTwice(first) => asked[*first].spec.key == new.spec.key,
            Refusal::TooManyNames | Refusal::BatchReused | Refusal::BatchForgotten => false,
        };
        if alone && !honest {
            return Err(Violation { job: None, what: format!("{new:?} was refused: {why:?}") });
        }
        Ok(())
    }
}
