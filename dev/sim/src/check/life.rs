//! One job's life as its events tell it: no hole, along the arrows, one end, which is last.

use raincheck_core::{
    Digest, Failure, FailureCode, Job, LeaseRef, Millis, NewJob, OnLost, Retention, RetryPolicy, State, Timestamp,
};

use super::verdict::{Verdict, demand};

/// What is known of a job that is there.
#[derive(Debug)]
pub(super) struct Life {
    /// As it was after the last transaction that was allowed to change it.
    pub row: Job,
    pub equal: Option<Digest>,
    /// Of its latest event.
    pub state: State,
    pub attempt: u32,
    pub seq: u32,
    pub failures: u32,
    pub losses: u32,
    pub stopping: bool,
    pub shared: u32,
    pub retry: RetryPolicy,
    /// Its place in the line: which start of the server, and how many were queued before it.
    pub queued: (u64, u64),
    /// When it may be queued by itself.
    pub not_before: Timestamp,
    /// Until when its run is safe, on the monotonic clock.
    pub deadline: Millis,
    /// When its run has lasted too long, on the monotonic clock.
    pub time_until: Millis,
    pub finished_at: Timestamp,
}

impl Life {
    pub fn new(job: &Job, new: &NewJob) -> Self {
        Life {
            row: job.clone(),
            equal: new.equal,
            state: job.state,
            attempt: 0,
            seq: 1,
            failures: 0,
            losses: 0,
            stopping: false,
            shared: 1,
            retry: new.spec.retry,
            queued: (0, 0),
            not_before: new.run_at.unwrap_or(job.created_at.plus(new.delay)),
            deadline: 0,
            time_until: 0,
            finished_at: Timestamp(0),
        }
    }

    /// Whether it was kept for as long as was promised: who asks is told that it is gone, be it still there.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let Retention { succeeded, failed } = self.row.retention;
        let keep = if self.state == State::Succeeded { succeeded } else { failed };
        self.state.is_final() && now.since(self.finished_at) >= keep
    }

    pub fn runs(&self, attempt: u32) -> bool {
        self.state == State::Running && self.attempt == attempt
    }

    pub fn lease(&self) -> LeaseRef {
        LeaseRef { no: self.row.no, attempt: self.attempt }
    }

    /// Takes the stored row, which must agree with the events.
    pub fn becomes(&mut self, row: &Job) -> Verdict {
        let by_events = (self.state, self.attempt, self.seq, self.failures, self.losses, self.stopping, self.shared);
        let there = (row.state, row.attempt, row.seq, row.failures, row.losses, row.cancel_requested, row.shared);
        demand!(there == by_events, row.no, "the row says {there:?}, its events say {by_events:?}");
        let was = &self.row;
        let fixed = |job: &Job| {
            let asked = (job.priority, job.max_attempts, job.start_by, job.timeout, job.retention);
            (job.no, job.id, job.ticket, job.created_at, job.method, asked, (job.on_lost, job.max_losses))
        };
        demand!(fixed(was) == fixed(row), row.no, "what was asked for changed: {was:#?} became {row:#?}");
        demand!(was.queue == row.queue && was.kind == row.kind, row.no, "a job changed its queue or kind");
        demand!(!was.state.is_final() || was == row, row.no, "a final job changed: {was:#?} became {row:#?}");
        let keep = if row.state == State::Succeeded { row.retention.succeeded } else { row.retention.failed };
        let ended = self.state.is_final().then_some(self.finished_at);
        let ends = (row.finished_at, row.expires_at) == (ended, ended.map(|at| at.plus(keep)));
        demand!(ends && row.started_at.is_some() == (self.attempt > 0), row.no, "times of its own: {row:#?}");
        self.row = row.clone();
        Ok(())
    }
}

impl Life {
    /// Counts a loss; answers whether it is one too many. Written here again, so that a change of the rule is noticed.
    pub fn loses(&mut self) -> bool {
        let Job { max_losses, max_attempts, on_lost, .. } = self.row;
        let (count, most) = match max_losses {
            0 => (&mut self.failures, max_attempts),
            most => (&mut self.losses, most),
        };
        *count += 1;
        *count >= most || on_lost == OnLost::Fail
    }

    pub fn fails(&mut self, failure: &Failure, from: State, now: Timestamp) -> Verdict {
        let no = self.row.no;
        match failure.code {
            FailureCode::Failed | FailureCode::Timeout => {
                self.failures += 1;
                self.losses = 0;
                demand!(from == State::Running, no, "a job that did not run failed: {failure:?}");
            }
            FailureCode::Lost => {
                let poison = self.loses();
                demand!(from == State::Running && poison, no, "failed as lost after {} losses", self.losses);
            }
            FailureCode::Expired => {
                let late = self.row.start_by.is_some_and(|by| by <= now);
                demand!(late && from.is_waiting() && self.attempt == 0, no, "expired though it was not: {failure:?}");
            }
            FailureCode::Canceled => demand!(false, no, "canceled is not failed"),
        }
        Ok(())
    }
}
