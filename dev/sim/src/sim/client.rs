//! Callers: they submit, ask again when they did not hear, look, cancel, rerun, purge.

use raincheck_core::decide::{Rerun, may_rerun};
use raincheck_core::interpreter::FollowUp;
use raincheck_core::{
    Again, Cancel, Command, Cursor, Delete, Expected, JobId, JobNo, Method, NewJob, ObjectKind, Place, Put, QueuePatch,
    Reply, State,
};
use rand::RngExt;

use super::network::{Answer, From};
use super::{Sim, ask};
use crate::check::{Verdict, Violation};

/// Jobs that somebody has heard of and still speaks of.
const KNOWN: usize = 300;

impl Sim {
    pub(super) fn client_acts(&mut self, who: usize) -> Verdict {
        if self.clients[who].waiting.is_some() {
            if self.chance(self.plan.give_up) {
                self.server.tally.count("fault: caller gave up");
                self.client_does_not_know(who);
            }
            return Ok(());
        }
        let command = match self.clients[who].again.take() {
            Some(submit) => {
                self.server.tally.count("submit: asked again");
                submit
            }
            None => match self.rng.random_range(0..100) {
                0..56 => self.submit(),
                56..66 => self.submit_again(),
                66..74 => Command::Cancel(self.cancel()),
                74..79 => Command::RunNow(self.some_job().0, None),
                79..82 => Command::Purge(self.some_job().0),
                82..84 => self.set_queue(),
                84..87 => self.change_object(),
                87..90 => match self.rerun()? {
                    Some(new) => Command::Submit(vec![new]),
                    None => return Ok(()),
                },
                _ => {
                    let (no, id) = self.some_job();
                    self.server.op("looks");
                    return self.server.check.looked(no, id, &self.server.store);
                }
            },
        };
        let id = self.send(From::Client(who), vec![command]);
        self.clients[who].waiting = Some(id);
        Ok(())
    }

    pub(super) fn client_hears(&mut self, who: usize, command: &Command, answer: Answer) {
        match answer {
            Answer::Replied(replies) => {
                self.clients[who].waiting = None;
                for reply in &replies {
                    match reply {
                        Reply::Submitted(all) => {
                            self.known.extend(all.iter().map(|one| (one.job().no, one.job().id)));
                        }
                        Reply::Again(all) => self.known.extend(all.iter().filter_map(|one| match one {
                            Again::Here(job) => Some((job.no, job.id)),
                            Again::Purged(_) => None,
                        })),
                        _ => {}
                    }
                }
                let over = self.known.len().saturating_sub(KNOWN);
                self.known.drain(..over);
            }
            Answer::Nothing => self.clients[who].waiting = None,
            Answer::Unknown => {
                self.client_does_not_know(who);
                if !command.new_jobs().is_empty() && self.rng.random_bool(0.8) {
                    self.clients[who].again = Some(command.clone());
                }
            }
        }
    }

    fn client_does_not_know(&mut self, who: usize) {
        let Some(id) = self.clients[who].waiting.take() else { return };
        // Its request may still be on the way: then there are two.
        if let Some(request) = self.flight.iter().find(|request| request.id == id)
            && let [submit @ (Command::Submit(_) | Command::SubmitBatch(_))] = &request.commands[..]
        {
            self.clients[who].again = Some(submit.clone());
        }
    }

    fn submit(&mut self) -> Command {
        let jobs = if self.rng.random_bool(0.15) { self.rng.random_range(2..5) } else { 1 };
        let now = self.server.store.now;
        let new = |_| {
            self.labels += 1;
            let mut new = ask::new_job(&mut self.rng, &self.plan, self.labels, now);
            if new.method == Method::Post && self.rng.random_ratio(self.plan.follows, 100) {
                new.id = Some(self.then());
            }
            new
        };
        let jobs: Vec<NewJob> = (0..jobs).map(new).collect();
        if jobs.len() == 1 || self.rng.random_bool(0.3) {
            return Command::Submit(jobs);
        }
        Command::SubmitBatch(ask::batch(&mut self.rng, &self.plan, self.labels, jobs))
    }

    /// The id of a job whose end something follows from for some other job.
    fn then(&mut self) -> JobId {
        let (no, _) = self.some_job();
        let follow_up = if self.rng.random_bool(0.7) { FollowUp::RunNow(no) } else { FollowUp::Cancel(no) };
        ask::then(follow_up, self.labels as u32)
    }

    /// What another caller asks for at this very moment.
    fn submit_again(&mut self) -> Command {
        let submits = self.flight.iter().flat_map(|request| &request.commands);
        let submits: Vec<_> = submits.filter(|command| !command.new_jobs().is_empty()).collect();
        match ask::pick(&mut self.rng, &submits).cloned() {
            Some(submit) => {
                self.server.tally.count("submit: twice at once");
                submit
            }
            None => self.submit(),
        }
    }

    /// Every second time of a job that runs.
    fn cancel(&mut self) -> Cancel {
        let runs: Vec<_> = self.workers.iter().flat_map(|worker| &worker.runs).map(|run| run.lease.no).collect();
        let runs = if self.rng.random() { ask::pick(&mut self.rng, &runs) } else { None };
        let no = runs.unwrap_or_else(|| self.some_job().0);
        Cancel { no, force: self.rng.random(), seq: None }
    }

    fn set_queue(&mut self) -> Command {
        let patch = QueuePatch {
            paused: self.rng.random_bool(0.7).then(|| self.rng.random_bool(0.4)),
            max_queued: self
                .rng
                .random_bool(0.2)
                .then(|| self.rng.random_bool(0.5).then(|| self.rng.random_range(1..50))),
            concurrency: self
                .rng
                .random_bool(0.4)
                .then(|| self.rng.random_bool(0.7).then(|| self.rng.random_range(1..5))),
            expected: None,
        };
        Command::SetQueue(ask::name(ask::QUEUES[self.rng.random_range(0..3)]), patch)
    }

    /// Mostly by who knows the version, some by who knows an old one or none.
    fn change_object(&mut self) -> Command {
        let kind = ObjectKind::Reader;
        let name = ask::name(ask::QUEUES[self.rng.random_range(0..3)]);
        let known = self.server.store.objects().find(|object| object.name == name).map_or(1, |object| object.version);
        let expected = match self.rng.random_range(0..10) {
            0..5 => Expected::Version(known),
            5 => Expected::Version(known - 1),
            6..8 => Expected::Absent,
            8 => Expected::Present,
            _ => Expected::Anything,
        };
        match self.rng.random_bool(0.7) {
            true => {
                self.labels += 1;
                let place = Place { at: Cursor(0), gaps_below: Cursor(self.labels as i64) };
                Command::Put(Put { kind, name, expected, body: place.to_bytes().into() })
            }
            false => Command::Delete(Delete { kind, name, expected }),
        }
    }

    /// What the engine submits to run a job again.
    fn rerun(&mut self) -> Result<Option<NewJob>, Violation> {
        let (no, force) = (self.some_job().0, self.rng.random_bool(0.3));
        self.server.op("reruns");
        let Some((job, spec)) = self.server.store.job(no).zip(self.server.store.spec(no)) else { return Ok(None) };
        let allowed = may_rerun(job, force) == Rerun::Allowed;
        let twice = job.state == State::Succeeded && job.method == Method::Post && !force;
        if allowed == (twice || !job.state.is_final()) {
            return Err(Violation { job: Some(no), what: format!("run again: {allowed}, of {job:?}") });
        }
        Ok(allowed.then(|| NewJob::again(job, spec.clone())))
    }

    pub(super) fn some_job(&mut self) -> (JobNo, JobId) {
        let nobody = (JobNo(7), JobId::from_parts(JobNo(7), 7));
        ask::pick(&mut self.rng, self.known.make_contiguous()).unwrap_or(nobody)
    }
}
