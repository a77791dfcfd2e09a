//! What answers to workers look like, for the description.
#![allow(dead_code, reason = "described, not constructed")]

use utoipa::ToSchema;

use super::refused::Problem;
use super::schema::Job;
use crate::wire::State;

/// Work, and what became of finished runs.
#[derive(ToSchema)]
pub struct LeaseAnswer {
    leases: Vec<Lease>,
    finished: Vec<Finished>,
    /// The server is about to stop and hands out no more: ask another one, or again in a few seconds. Absent otherwise.
    #[schema(required = false, nullable = false)]
    drain: Option<bool>,
}

/// One run of one job.
#[derive(ToSchema)]
pub struct Lease {
    /// The right to finish it.
    lease: String,
    job: Job,
    attempt: u32,
    ttl_seconds: f64,
    heartbeat_seconds: f64,
    traceparent: Option<String>,
    /// What tracing systems say beside it.
    tracestate: Option<String>,
    limits: LeaseLimits,
}

/// How much is taken of what a run writes; the log is that of all runs of the job together.
#[derive(ToSchema)]
pub struct LeaseLimits {
    result_bytes: u64,
    stream_bytes: u64,
    log_bytes: u64,
}

/// What became of one end: a state or a problem.
#[derive(ToSchema)]
pub struct Finished {
    lease: String,
    #[schema(required = false, nullable = false)]
    state: Option<State>,
    #[schema(required = false, nullable = false)]
    problem: Option<Problem>,
}

/// The answer to a sign of life.
#[derive(ToSchema)]
pub struct HeartbeatAnswer {
    /// What is left of the lease, which runs from when the heartbeat came.
    ttl_seconds: f64,
    cancel_requested: bool,
}

/// The answers to many.
#[derive(ToSchema)]
pub struct HeartbeatAnswers {
    heartbeats: Vec<BeatAnswer>,
}

/// One of them: a lease that goes on, or a problem.
#[derive(ToSchema)]
pub struct BeatAnswer {
    lease: String,
    /// What is left of the lease.
    #[schema(required = false, nullable = false)]
    ttl_seconds: Option<f64>,
    #[schema(required = false, nullable = false)]
    cancel_requested: Option<bool>,
    #[schema(required = false, nullable = false)]
    problem: Option<Problem>,
}

/// How far a stream or log is kept, counted from the start of this run's part.
#[derive(ToSchema)]
pub struct Appended {
    offset: u64,
    /// How many more bytes are taken; in answers to an empty body, which asks for it.
    #[schema(required = false, nullable = false)]
    room: Option<u64>,
}
