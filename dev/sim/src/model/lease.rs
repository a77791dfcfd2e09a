//! Ready jobs for a worker.

use raincheck_core::interpreter::{Offered, Room, Serving};
use raincheck_core::{Job, LeaseJobs, LeaseRef, Name, Payload, Reply, Spec, State};

use super::{LeaseChange, Model, Stop};
use crate::Flaw;

const RUNNING: usize = State::Running as usize;

impl Model {
    pub(super) fn lease(&mut self, request: &LeaseJobs) -> Result<Reply, Stop> {
        if let Some(id) = &request.request_id
            && let Some((_, leases)) = self.disk.requests.get(id)
        {
            let again = leases.iter().filter_map(|lease| self.still(*lease)).collect();
            return Ok(Reply::Leased(again));
        }
        let (mut leased, mut serving, mut inputs) = (Vec::new(), Serving::new(request, 0), 0);
        loop {
            let (jobs, mut room) = self.candidates(request, serving.begin_round());
            for job in jobs {
                match self.decide(|moment| serving.offer(job, &mut room, inputs, moment)) {
                    Offered::Kept(_) => {}
                    Offered::Late(changes) => self.apply_changes(changes)?,
                    Offered::Leased(job, changes) => {
                        self.apply_changes(changes)?;
                        let spec = self.disk.specs.get(&job.no).cloned().unwrap_or_default();
                        if let Payload::Inline(input) = &spec.input.payload {
                            inputs += input.len();
                        }
                        self.lease_changes.push(LeaseChange::Start(Box::new(job.clone()), request.worker.clone()));
                        leased.push((job, spec));
                    }
                }
            }
            if !serving.goes_on(inputs) {
                break;
            }
        }
        if let Some(id) = &request.request_id
            && !leased.is_empty()
        {
            self.effect()?;
            let leases = leased.iter().map(|(job, _)| job.lease_ref()).collect();
            self.disk.requests.set(*id, (self.now, leases));
        }
        Ok(Reply::Leased(leased))
    }

    /// A lease that was given before, as far as it lasts.
    fn still(&self, lease: LeaseRef) -> Option<(Job, Spec)> {
        let job = self.row(lease.no).filter(|job| job.state == State::Running && job.attempt == lease.attempt)?;
        Some((job, self.disk.specs.get(&lease.no).cloned().unwrap_or_default()))
    }

    /// Ready jobs, best rank first, at most `max` of each queue and kind, and how many more may run.
    fn candidates(&self, request: &LeaseJobs, max: usize) -> (Vec<Job>, Room) {
        let (mut found, mut room) = (Vec::new(), Room::default());
        for (pair, _) in self.disk.jobs.pairs() {
            let (queue, kind) = pair;
            let settings = self.disk.queues.get(queue).map(|row| &row.settings);
            if !request.wants(queue, kind) || settings.is_some_and(|settings| settings.paused) {
                continue;
            }
            let running = |of: &dyn Fn(&Name, &Name) -> bool| self.disk.jobs.count(of)[RUNNING];
            if let Some(cap) = settings.and_then(|settings| settings.concurrency) {
                room.cap_queue(queue.clone(), cap, running(&|q, _| q == queue));
            }
            if let Some(cap) = self.kind_caps.get(kind) {
                room.cap_kind(kind.clone(), *cap, running(&|_, k| k == kind));
            }
            found.extend(self.disk.jobs.ready(pair).take(max).cloned());
        }
        found.sort_unstable_by_key(|job: &Job| (job.rank, job.no));
        if self.has(Flaw::CapIgnored) {
            room = Room::default();
        }
        (found, room)
    }
}
