//! Work is handed out, at once or when there is some.

use std::time::Duration;

use raincheck_core::{Command, LeaseJobs, LeaseRef, Reply, Timestamp, Wanted, limits};
use raincheck_store::StoreError;
use tokio::time::{Instant, timeout_at};

use crate::pending_lease::PendingLease;
use crate::settle::have_files;
use crate::{Engine, LeaseAnswer, LeaseError, LeaseRequest, Leased, digest, replies};

impl Engine {
    /// Records the ends in the request, then hands out ready jobs, all in one transaction; waits for some when
    /// there are none and the request has no ends. While draining only ends are taken, and who waits is answered. Ends with a result in a file are a
    /// transaction of their own before: they are seen through, and the leases are not.
    ///
    /// May be dropped at any time: work leased for a caller that is gone is given back, unless the request has an
    /// id under which the caller will ask again.
    pub async fn lease(&self, request: LeaseRequest) -> Result<LeaseAnswer, LeaseError> {
        let LeaseRequest { worker, queues, kinds, patterns, max, wait, ttl, request_id, finish } = request;
        let mut commands = Vec::with_capacity(finish.len() * 2 + 1);
        let mut settling = self.settle_commands(finish, &mut commands);
        if self.is_draining() && settling.is_empty() {
            return Ok(LeaseAnswer { drain: true, ..LeaseAnswer::default() });
        }
        let wanted = Wanted { queues: &queues, kinds: &kinds, patterns: &patterns };
        self.0.workers.asked(&worker, wanted, max, self.0.clock.ticks(), self.now());
        let ask = LeaseJobs {
            request_id: request_id.map(|id| digest(format!("{}\0{id}", worker.name).as_bytes())),
            worker: worker.name,
            queues,
            kinds,
            patterns,
            max: max.min(limits::LEASE_JOBS),
            ttl: ttl.clamp(limits::TTL_LEAST_MILLIS, limits::TTL_MOST_MILLIS),
        };
        let asks = ask.max > 0 && !ask.wanted().is_nothing() && !self.is_draining();
        if !settling.is_empty() || wait <= 0 || !asks {
            let mut finished = Vec::new();
            if have_files(&settling) {
                finished = self.settle_all(std::mem::take(&mut settling), std::mem::take(&mut commands)).await?;
            }
            if asks {
                commands.push(Command::Lease(ask.clone()));
            }
            if commands.is_empty() {
                return Ok(LeaseAnswer { leases: Vec::new(), finished, drain: self.is_draining() });
            }
            let since = self.now();
            let mut replies = PendingLease::new(self, commands, ask.request_id.is_some()).await?;
            let leases = if asks { self.leased(replies.pop(), since)? } else { Vec::new() };
            if !settling.is_empty() {
                finished = self.finishes(settling, replies).await?;
            }
            return Ok(LeaseAnswer { leases, finished, drain: self.is_draining() });
        }
        let wait = Duration::from_millis(wait.min(self.0.settings.wait_most) as u64);
        let leases = self.lease_when_ready(ask, Instant::now() + wait).await?;
        Ok(LeaseAnswer { leases, finished: Vec::new(), drain: self.is_draining() })
    }

    async fn lease_when_ready(&self, ask: LeaseJobs, deadline: Instant) -> Result<Vec<Leased>, LeaseError> {
        let mut waiter = self.0.dispatch.waiter(ask.wanted()).ok_or(LeaseError::TooMany)?;
        loop {
            // Armed before the store is asked: a job that becomes ready after the answer wakes this waiter.
            waiter.arm();
            let (command, since) = (Command::Lease(ask.clone()), self.now());
            let mut replies = PendingLease::new(self, vec![command], ask.request_id.is_some()).await?;
            let leases = self.leased(replies.pop(), since)?;
            waiter.answered(leases.iter().map(|leased| leased.job.no));
            if !leases.is_empty() {
                return Ok(leases);
            }
            tokio::select! {
                woken = timeout_at(deadline, waiter.woken()) => if woken.is_err() { return Ok(leases) },
                () = self.0.draining.cancelled() => return Ok(leases),
            }
        }
    }

    /// Gives back runs whose worker never heard of them, uncounted.
    pub async fn give_back(&self, runs: Vec<LeaseRef>) {
        crate::pending_lease::release(self, runs.into_iter()).await;
    }

    /// What a request that was made at `since` is handed.
    fn leased(&self, reply: Option<Reply>, since: Timestamp) -> Result<Vec<Leased>, StoreError> {
        let Some(reply) = reply else { return Err(StoreError::Other("a lease was not answered".to_owned())) };
        let leased = replies::lease(reply)?.into_iter().map(|(job, spec)| Leased {
            lease: self.lease_string(job.lease_ref()),
            ttl: job.ttl,
            heartbeat: (job.ttl / 3).max(1),
            job,
            spec,
        });
        let leased: Vec<Leased> = leased.collect();
        self.count_waits(&leased, since);
        Ok(leased)
    }

    fn count_waits(&self, leased: &[Leased], since: Timestamp) {
        if leased.is_empty() {
            return;
        }
        let mut by_kind = self.0.by_kind.lock();
        for Leased { job, .. } in leased {
            // What began before this request was made was handed to an earlier one with the same id, and counted then.
            if let Some(started) = job.started_at.filter(|started| *started >= since) {
                by_kind.waited(&job.kind, started.since(job.ready_at()));
            }
        }
    }

    /// The run behind a lease string, or `None` when we never made it.
    ///
    /// # Errors
    /// When it was made in another history of the data, and the store cannot tell whether its run is in this one.
    pub async fn parse_lease(&self, text: &str) -> Result<Option<LeaseRef>, StoreError> {
        let Some((lease, history)) = self.0.keys.lease(text) else { return Ok(None) };
        let store = self.store();
        // Its job may be gone, or have begun an attempt of that number anew.
        let is_void = history != store.history() && !store.began_in(lease, history).await?;
        Ok(Some(if is_void { lease.void() } else { lease }))
    }

    /// The lease string of a run: `number.attempt.mac`, unguessable; with the history before the last, after the first one.
    pub fn lease_string(&self, lease: LeaseRef) -> String {
        self.0.keys.lease_text(lease, self.store().history())
    }
}
