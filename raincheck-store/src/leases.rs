use std::collections::HashMap;

use raincheck_core::{Job, JobNo, LeaseRef, Millis, Overdue, Reading, limits};

use crate::records::{Overrun, Renewal, Renewed};

/// Running leases, in memory: all there is of them on SQLite, where heartbeats are not written; a look ahead on
/// PostgreSQL. Times are on the clock that judges: the length of a lease does not run while the server stands still, the
/// time of a run does.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    live: HashMap<JobNo, Live>,
}

/// A running lease as a store keeps it.
#[derive(Debug)]
pub(crate) struct KeptLease {
    pub lease: LeaseRef,
    pub ttl: Millis,
    /// What a restart grants, and the most that a heartbeat takes it to.
    pub kept: Millis,
    pub lease_until: Millis,
    pub time_until: Millis,
    pub cancel_requested: bool,
    pub worker: Box<str>,
}

#[derive(Debug)]
struct Live {
    attempt: u32,
    ttl: Millis,
    kept: Millis,
    lease_until: Millis,
    time_until: Millis,
    cancel_requested: bool,
    worker: Box<str>,
}

impl Leases {
    /// Starts a lease; `elapsed` is how long the run has been going on already.
    pub fn start(&mut self, job: &Job, worker: Box<str>, at: impl Into<Reading>, elapsed: Millis) {
        let at = at.into();
        let live = Live {
            attempt: job.attempt,
            ttl: job.ttl,
            kept: job.ttl,
            lease_until: at.served().saturating_add(job.ttl),
            time_until: at.ticks.saturating_add((job.timeout - elapsed).max(0)),
            cancel_requested: job.cancel_requested,
            worker,
        };
        self.live.insert(job.no, live);
    }

    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Takes over what the database says of a lease.
    pub fn put(&mut self, kept: KeptLease) {
        let KeptLease { lease, ttl, kept, lease_until, time_until, cancel_requested, worker } = kept;
        let live = Live { attempt: lease.attempt, ttl, kept, lease_until, time_until, cancel_requested, worker };
        self.live.insert(lease.no, live);
    }

    pub fn end(&mut self, lease: LeaseRef) {
        if self.get(lease).is_some() {
            self.live.remove(&lease.no);
        }
    }

    pub fn ask_to_stop(&mut self, lease: LeaseRef) {
        if let Some(live) = self.live.get_mut(&lease.no).filter(|l| l.attempt == lease.attempt) {
            live.cancel_requested = true;
        }
    }

    pub fn renew(&mut self, renewal: &Renewal, at: impl Into<Reading>) -> Renewed {
        let Some(live) = self.live.get_mut(&renewal.lease.no).filter(|l| l.attempt == renewal.lease.attempt) else {
            return Renewed::Lost;
        };
        live.ttl = renewal.ttl.unwrap_or(live.ttl).max(limits::TTL_LEAST_MILLIS).min(live.kept);
        live.lease_until = at.into().served().saturating_add(live.ttl);
        Renewed::Extended { ttl: live.ttl, cancel_requested: live.cancel_requested }
    }

    /// How a lease stands; it is not extended.
    pub fn look(&self, lease: LeaseRef, at: impl Into<Reading>) -> Renewed {
        let left = |live: &Live| (live.lease_until - at.into().served()).max(0);
        self.get(lease).map_or(Renewed::Lost, |live| Renewed::Extended {
            ttl: left(live),
            cancel_requested: live.cancel_requested,
        })
    }

    /// Takes over a length that is on disk.
    pub fn hand_over(&mut self, lease: LeaseRef, ttl: Millis, until: Millis) {
        if let Some(live) = self.live.get_mut(&lease.no).filter(|live| live.attempt == lease.attempt) {
            (live.ttl, live.kept, live.lease_until) = (ttl, ttl, until);
        }
    }

    /// Takes over a heartbeat that the database has.
    pub fn extend_to(&mut self, lease: LeaseRef, ttl: Millis, until: Millis) {
        if let Some(live) = self.live.get_mut(&lease.no).filter(|live| live.attempt == lease.attempt) {
            (live.ttl, live.lease_until) = (ttl, until);
        }
    }

    pub fn worker(&self, lease: LeaseRef) -> Option<Box<str>> {
        self.get(lease).map(|live| live.worker.clone())
    }

    /// Why the run is over by now, if it is: the deadline in the predicate of every sweeping settle.
    pub fn overrun(&self, lease: LeaseRef, at: impl Into<Reading>) -> Option<Overdue> {
        let at = at.into();
        self.get(lease).and_then(|live| live.overdue(at))
    }

    pub fn overdue(&self, at: impl Into<Reading>, limit: usize) -> Vec<Overrun> {
        let at = at.into();
        let over = self.live.iter().filter_map(|(no, live)| {
            let lease = LeaseRef { no: *no, attempt: live.attempt };
            live.overdue(at).map(|why| Overrun { lease, why })
        });
        over.take(limit).collect()
    }

    /// Every lease there is.
    pub fn all(&self) -> Vec<LeaseRef> {
        self.live.iter().map(|(no, live)| LeaseRef { no: *no, attempt: live.attempt }).collect()
    }

    pub fn next_overdue(&self) -> Option<Millis> {
        self.next_overdue_after(0)
    }

    /// In ticks, after the server stood still for so long in all.
    pub fn next_overdue_after(&self, idle: Millis) -> Option<Millis> {
        self.live.values().map(|live| live.lease_until.saturating_add(idle).min(live.time_until)).min()
    }

    fn get(&self, lease: LeaseRef) -> Option<&Live> {
        self.live.get(&lease.no).filter(|live| live.attempt == lease.attempt)
    }
}

impl Live {
    fn overdue(&self, at: Reading) -> Option<Overdue> {
        if at.deaf() > 0 {
            return None;
        }
        Overdue::of(self.lease_until - at.served(), self.time_until.saturating_sub(at.ticks))
    }
}
