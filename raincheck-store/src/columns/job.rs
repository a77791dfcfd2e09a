//! A job's own row. How its id, and the names of its queue and kind, stand there is each store's own.

use raincheck_core::{Job, JobId, JobNo, Method, Millis, Name, OnLost, Retention, State, Timestamp};

use super::{Flags, row};

row! {
    /// What of it is written once.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Lasting as "j" {
        priority: i32,
        max_attempts: u32,
        max_losses: u32,
        ticket: i64,
        start_by: Option<Timestamp>,
        timeout: Millis,
        keep_succeeded: Millis,
        keep_failed: Millis,
        created_at: Timestamp,
    }
}

row! {
    /// What of it is written again at every change.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Changing as "j" {
        state: State,
        flags: Flags,
        attempt: u32,
        failures: u32,
        losses: u32,
        seq: u32,
        shared: u32,
        rank: i64,
        run_at: Timestamp,
        ttl: Millis,
        started_at: Option<Timestamp>,
        updated_at: Timestamp,
        finished_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    }
}

row! {
    /// What a change of it must find there.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Guard as "j" {
        no: JobNo,
        state: State,
        attempt: u32,
        seq: u32,
    }
}

impl Lasting {
    pub fn of(job: &Job) -> Self {
        Lasting {
            priority: job.priority,
            max_attempts: job.max_attempts,
            max_losses: job.max_losses,
            ticket: job.ticket,
            start_by: job.start_by,
            timeout: job.timeout,
            keep_succeeded: job.retention.succeeded,
            keep_failed: job.retention.failed,
            created_at: job.created_at,
        }
    }
}

impl Changing {
    pub fn of(job: &Job) -> Self {
        Changing {
            state: job.state,
            flags: Flags::of(job),
            attempt: job.attempt,
            failures: job.failures,
            losses: job.losses,
            seq: job.seq,
            shared: job.shared,
            rank: job.rank,
            run_at: job.run_at,
            ttl: job.ttl,
            started_at: job.started_at,
            updated_at: job.updated_at,
            finished_at: job.finished_at,
            expires_at: job.expires_at,
        }
    }
}

/// The job of these columns.
pub(crate) fn job((no, id): (JobNo, JobId), queue: Name, kind: Name, lasting: Lasting, changing: Changing) -> Job {
    let flags = changing.flags;
    Job {
        no,
        id,
        queue,
        kind,
        method: if flags.has(Flags::GET) { Method::Get } else { Method::Post },
        cancel_requested: flags.has(Flags::CANCEL_REQUESTED),
        on_lost: if flags.has(Flags::FAIL_ON_LOST) { OnLost::Fail } else { OnLost::Retry },
        retention: Retention { succeeded: lasting.keep_succeeded, failed: lasting.keep_failed },
        priority: lasting.priority,
        max_attempts: lasting.max_attempts,
        max_losses: lasting.max_losses,
        ticket: lasting.ticket,
        start_by: lasting.start_by,
        timeout: lasting.timeout,
        created_at: lasting.created_at,
        state: changing.state,
        attempt: changing.attempt,
        failures: changing.failures,
        losses: changing.losses,
        seq: changing.seq,
        shared: changing.shared,
        rank: changing.rank,
        run_at: changing.run_at,
        ttl: changing.ttl,
        started_at: changing.started_at,
        updated_at: changing.updated_at,
        finished_at: changing.finished_at,
        expires_at: changing.expires_at,
    }
}
