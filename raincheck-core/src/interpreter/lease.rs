//! A request for work, which is offered ready jobs one by one.

use super::Room;
use crate::command::{Change, LeaseJobs};
use crate::decide::{self, Moment};
use crate::job::Job;
use crate::limits;

/// A request for work that is being served. It is offered ready jobs that it asks for, best rank first, in rounds; in each
/// it looks at no more jobs than it still wants, so that whoever finds so many of each queue and kind has found the best.
#[derive(Debug)]
pub struct Serving<'r> {
    request: &'r LeaseJobs,
    /// Bytes of inputs that were handed out before.
    before: usize,
    leased: usize,
    late: usize,
    /// How many it may still look at in this round.
    left: usize,
    was_late: bool,
}

/// What becomes of a job that was offered.
#[derive(Debug, PartialEq)]
pub enum Offered {
    /// It stays as it is.
    Kept(Job),
    /// It fails: this is too late for it.
    Late(Vec<Change>),
    /// It is handed out.
    Leased(Job, Vec<Change>),
}

impl<'r> Serving<'r> {
    /// Begins, where `inputs` bytes of inputs were handed out so far, to whomever.
    pub fn new(request: &'r LeaseJobs, inputs: usize) -> Self {
        Serving { request, before: inputs, leased: 0, late: 0, left: 0, was_late: false }
    }

    /// Begins a round, for which so many ready jobs must be found.
    pub fn begin_round(&mut self) -> usize {
        self.was_late = false;
        self.left = self.request.max - self.leased;
        self.left
    }

    /// What becomes of a ready job, now that `inputs` bytes of inputs were handed out.
    pub fn offer(&mut self, job: Job, room: &mut Room, inputs: usize, moment: &Moment<'_>) -> Offered {
        if self.left == 0 || self.is_full(inputs) || !room.take(&job) {
            return Offered::Kept(job);
        }
        self.left -= 1;
        if decide::is_late(&job, moment.now) {
            self.late += 1;
            self.was_late = true;
            return Offered::Late(decide::expire(job, moment).map(|(_, changes)| changes).unwrap_or_default());
        }
        self.leased += 1;
        let (job, changes) = decide::lease(job, &self.request.worker, self.request.ttl, moment);
        Offered::Leased(job, changes)
    }

    /// Whether there must be one more round: jobs that came too late leave room for others. Beyond some many of them the
    /// sweep goes on.
    pub fn goes_on(&self, inputs: usize) -> bool {
        self.was_late && self.late <= limits::LEASE_JOBS && !self.is_full(inputs)
    }

    fn is_full(&self, inputs: usize) -> bool {
        self.leased >= self.request.max || !decide::may_lease_more(inputs - self.before, inputs)
    }
}
