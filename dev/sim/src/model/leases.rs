//! Running leases: the part of the store that a crash forgets.

use std::collections::BTreeMap;

use raincheck_core::{Job, JobNo, LeaseRef, Millis, Overdue, Reading, limits};

/// Leases by job; times are on the monotonic clock, that of a lease less the server's standstills.
#[derive(Debug, Default)]
pub struct Leases(BTreeMap<JobNo, Live>);

#[derive(Debug)]
struct Live {
    attempt: u32,
    ttl: Millis,
    /// The most that a heartbeat takes it to.
    kept: Millis,
    lease_until: Millis,
    time_until: Millis,
    cancel_requested: bool,
    worker: Box<str>,
}

impl Leases {
    pub fn start(&mut self, job: &Job, worker: Box<str>, at: Reading, elapsed: Millis) {
        let live = Live {
            attempt: job.attempt,
            ttl: job.ttl,
            kept: job.ttl,
            lease_until: at.served() + job.ttl,
            time_until: at.ticks + (job.timeout - elapsed).max(0),
            cancel_requested: job.cancel_requested,
            worker,
        };
        self.0.insert(job.no, live);
    }

    pub fn end(&mut self, lease: LeaseRef) {
        if self.live(lease).is_some() {
            self.0.remove(&lease.no);
        }
    }

    pub fn ask_to_stop(&mut self, lease: LeaseRef) {
        if let Some(live) = self.live(lease) {
            live.cancel_requested = true;
        }
    }

    /// A length that is on disk.
    pub fn hand_over(&mut self, lease: LeaseRef, ttl: Millis, at: Reading) {
        if let Some(live) = self.live(lease) {
            (live.ttl, live.kept, live.lease_until) = (ttl, ttl, at.served() + ttl);
        }
    }

    /// The length of the extended lease and whether its run is asked to stop; `None` when it is over.
    pub fn renew(&mut self, lease: LeaseRef, ttl: Option<Millis>, at: Reading) -> Option<(Millis, bool)> {
        let live = self.live(lease)?;
        live.ttl = ttl.unwrap_or(live.ttl).max(limits::TTL_LEAST_MILLIS).min(live.kept);
        live.lease_until = at.served() + live.ttl;
        Some((live.ttl, live.cancel_requested))
    }

    pub fn worker(&self, lease: LeaseRef) -> Option<&str> {
        self.0.get(&lease.no).filter(|live| live.attempt == lease.attempt).map(|live| &*live.worker)
    }

    pub fn overrun(&self, lease: LeaseRef, at: Reading) -> Option<Overdue> {
        self.0.get(&lease.no).filter(|live| live.attempt == lease.attempt).and_then(|live| live.overdue(at))
    }

    pub fn overdue(&self, at: Reading) -> Vec<(LeaseRef, Overdue)> {
        let over = self.0.iter().filter_map(|(no, live)| {
            let lease = LeaseRef { no: *no, attempt: live.attempt };
            live.overdue(at).map(|why| (lease, why))
        });
        over.collect()
    }

    pub fn next_overdue(&self, idle: Millis) -> Option<Millis> {
        self.0.values().map(|live| (live.lease_until + idle).min(live.time_until)).min()
    }

    fn live(&mut self, lease: LeaseRef) -> Option<&mut Live> {
        self.0.get_mut(&lease.no).filter(|live| live.attempt == lease.attempt)
    }
}

impl Live {
    fn overdue(&self, at: Reading) -> Option<Overdue> {
        Overdue::of(self.lease_until - at.served(), self.time_until - at.ticks)
    }
}
