//! Ready jobs for a worker.

use std::collections::BTreeMap;

use raincheck_core::{Job, LeaseJobs, LeaseRef, Name, Reply, Spec, State, decide, limits};

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
        let (mut leased, mut late) = (Vec::new(), 0);
        loop {
            let late_before = late;
            for job in self.candidates(request, request.max - leased.len()) {
                if let Some((_, changes)) = self.decide(|moment| decide::expire(job.clone(), moment)) {
                    self.carry(changes)?;
                    late += 1;
                    continue;
                }
                let (job, changes) = self.decide(|moment| decide::lease(job, &request.worker, request.ttl, moment));
                self.carry(changes)?;
                let spec = self.disk.specs.get(&job.no).cloned().unwrap_or_default();
                self.lease_changes.push(LeaseChange::Start(Box::new(job.clone()), request.worker.clone()));
                leased.push((job, spec));
            }
            // Jobs that came too late leave room for others; beyond this many the sweep goes on with them.
            if late == late_before || late > limits::LEASE_JOBS {
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

    /// At most `max` ready jobs, best rank first, as many of each queue and kind as may still run.
    fn candidates(&self, request: &LeaseJobs, max: usize) -> Vec<Job> {
        let mut queue_room: BTreeMap<Name, u64> = BTreeMap::new();
        let mut kind_room: BTreeMap<Name, u64> = BTreeMap::new();
        let mut found: Vec<&Job> = Vec::new();
        for (pair, _) in self.disk.jobs.pairs() {
            let (queue, kind) = pair;
            let settings = self.disk.queues.get(queue).map(|row| &row.settings);
            if !request.wants(queue, kind) || settings.is_some_and(|settings| settings.paused) {
                continue;
            }
            let running = |of: &dyn Fn(&Name, &Name) -> bool| self.disk.jobs.count(of)[RUNNING];
            if let Some(cap) = settings.and_then(|settings| settings.concurrency) {
                queue_room.insert(queue.clone(), u64::from(cap).saturating_sub(running(&|q, _| q == queue)));
            }
            if let Some(cap) = self.kind_caps.get(kind) {
                kind_room.insert(kind.clone(), u64::from(*cap).saturating_sub(running(&|_, k| k == kind)));
            }
            found.extend(self.disk.jobs.ready(pair).take(max));
        }
        found.sort_unstable_by_key(|job| (job.rank, job.no));
        let mut take = |job: &&Job| {
            let (queue, kind) = (queue_room.get_mut(&job.queue), kind_room.get_mut(&job.kind));
            let fits = queue.as_deref() != Some(&0) && kind.as_deref() != Some(&0);
            for room in queue.into_iter().chain(kind).filter(|_| fits) {
                *room -= 1;
            }
            fits || self.has(Flaw::CapIgnored)
        };
        found.into_iter().filter(&mut take).take(max).cloned().collect()
    }
}
