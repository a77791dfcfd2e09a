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
        let &Job { priority, max_attempts, max_losses, ticket, start_by, timeout, created_at, .. } = job;
        let Retention { succeeded: keep_succeeded, failed: keep_failed } = job.retention;
        Lasting {
            priority,
            max_attempts,
            max_losses,
            ticket,
            start_by,
            timeout,
            keep_succeeded,
            keep_failed,
            created_at,
        }
    }
}

impl Changing {
    pub fn of(job: &Job) -> Self {
        let flags = Flags::of(job);
        let &Job { state, attempt, failures, losses, seq, shared, rank, run_at, ttl, .. } = job;
        let &Job { started_at, updated_at, finished_at, expires_at, .. } = job;
        Changing {
            state,
            flags,
            attempt,
            failures,
            losses,
            seq,
            shared,
            rank,
            run_at,
            ttl,
            started_at,
            updated_at,
            finished_at,
            expires_at,
        }
    }
}

/// The job of these columns.
pub(crate) fn job((no, id): (JobNo, JobId), queue: Name, kind: Name, lasting: Lasting, changing: Changing) -> Job {
    let Lasting {
        priority,
        max_attempts,
        max_losses,
        ticket,
        start_by,
        timeout,
        keep_succeeded,
        keep_failed,
        created_at,
    } = lasting;
    let Changing { state, flags, attempt, failures, losses, seq, shared, rank, run_at, ttl, .. } = changing;
    let Changing { started_at, updated_at, finished_at, expires_at, .. } = changing;
    Job {
        no,
        id,
        queue,
        kind,
        method: if flags.has(Flags::GET) { Method::Get } else { Method::Post },
        state,
        cancel_requested: flags.has(Flags::CANCEL_REQUESTED),
        on_lost: if flags.has(Flags::FAIL_ON_LOST) { OnLost::Fail } else { OnLost::Retry },
        priority,
        attempt,
        failures,
        losses,
        max_attempts,
        max_losses,
        seq,
        shared,
        rank,
        ticket,
        run_at,
        start_by,
        timeout,
        ttl,
        retention: Retention { succeeded: keep_succeeded, failed: keep_failed },
        created_at,
        started_at,
        updated_at,
        finished_at,
        expires_at,
    }
}
