//! What answers look like, for the description. The serializers of the wire write them; a test compares the two.
#![allow(dead_code, reason = "described, not constructed")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::wire::ProgressBody;

/// A job.
#[derive(ToSchema)]
pub struct Job {
    id: Uuid,
    kind: String,
    label: Option<String>,
    method: String,
    queue: String,
    /// scheduled, queued, blocked, running, succeeded, failed or canceled.
    state: String,
    /// Whether the state is final.
    done: bool,
    cancel_requested: bool,
    /// time, slot, paused or no worker.
    waiting_for: Option<String>,
    priority: i32,
    attempt: u32,
    failures: u32,
    max_attempts: u32,
    /// Number of its latest event.
    seq: u32,
    progress: Option<ProgressBody<'static>>,
    position: Option<u64>,
    eta_seconds: Option<u64>,
    /// Why it waits, in words for people, where there is more to say.
    waiting_detail: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    run_at: String,
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    result: Option<JobResult>,
    error: Option<Failure>,
    last_error: Option<Failure>,
    tags: BTreeMap<String, String>,
    key: Option<String>,
    rerun_of: Option<Uuid>,
    shared: u32,
    links: Links,
    /// With `?include=input`, and in a lease, when it is small JSON.
    #[schema(required = false)]
    input: Option<Value>,
    /// In a lease, when the input is large or not JSON.
    #[schema(required = false)]
    input_href: Option<String>,
    #[schema(required = false)]
    input_type: Option<String>,
    #[schema(required = false)]
    input_size: Option<u64>,
    #[schema(required = false)]
    input_filename: Option<String>,
}

/// What a success left.
#[derive(ToSchema)]
pub struct JobResult {
    href: String,
    content_type: String,
    filename: Option<String>,
    size: u64,
    /// JSON of at most 64 KiB.
    #[schema(required = false)]
    value: Option<Value>,
}

/// Why a run failed.
#[derive(ToSchema)]
pub struct Failure {
    /// The worker's own name for it, or a page of this server.
    r#type: String,
    title: String,
    #[schema(required = false)]
    detail: Option<String>,
}

/// Where the rest of a job is.
#[derive(ToSchema)]
pub struct Links {
    #[schema(rename = "self")]
    this: String,
    events: String,
    result: String,
    stream: String,
    cancel: String,
    rerun: String,
}

/// Why something was refused, or why a job failed (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    /// A page that explains it.
    r#type: String,
    title: String,
    status: u16,
    #[schema(required = false)]
    detail: Option<String>,
    #[schema(required = false)]
    errors: Option<Vec<Violation>>,
}

/// A member that did not pass.
#[derive(ToSchema)]
pub struct Violation {
    /// JSON pointer, or `?name` of a query parameter.
    pointer: String,
    detail: String,
}

/// Jobs of a batch.
#[derive(ToSchema)]
pub struct Jobs {
    jobs: Vec<BatchJob>,
    replayed: usize,
    coalesced: usize,
}

/// A job of a batch; of one that was taken before, also a job that was purged since.
pub struct BatchJob;

impl PartialSchema for BatchJob {
    fn schema() -> RefOr<Schema> {
        let either = OneOfBuilder::new().item(Ref::from_schema_name("Job")).item(Ref::from_schema_name("PurgedJob"));
        either.into()
    }
}

impl ToSchema for BatchJob {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [(Job::name(), Job::schema()), (PurgedJob::name(), PurgedJob::schema())] {
            schemas.push((name.into_owned(), schema));
        }
        Job::schemas(schemas);
        PurgedJob::schemas(schemas);
    }
}

/// What is left of a job that was purged: behind its handle is 410.
#[derive(ToSchema)]
pub struct PurgedJob {
    id: Uuid,
    /// Always true.
    done: bool,
    /// Always true.
    purged: bool,
    links: PurgedLinks,
}

/// Its handle.
#[derive(ToSchema)]
pub struct PurgedLinks {
    #[schema(rename = "self")]
    this: String,
}

/// A page of jobs.
#[derive(ToSchema)]
pub struct JobPage {
    items: Vec<Job>,
    next_cursor: Option<String>,
    /// The search ran out of time.
    #[schema(required = false)]
    partial: Option<bool>,
}

/// One thing that happened to a job.
#[derive(ToSchema)]
pub struct Event {
    /// Number within the job, from 1.
    seq: u32,
    job: Uuid,
    queue: String,
    kind: String,
    r#type: String,
    state: String,
    attempt: u32,
    #[schema(format = DateTime)]
    at: String,
    /// Place in the whole feed, to go on from.
    cursor: String,
    /// The same as a number that only grows; in the whole feed.
    position: Option<i64>,
    /// What there is to say about it; not there when the job is gone.
    data: Option<Value>,
}

/// Events, oldest first.
#[derive(ToSchema)]
pub struct EventPage {
    items: Vec<Event>,
    /// The next `after`: a number for a job, a cursor for the whole feed.
    next_after: Value,
    /// The final event has been seen.
    done: bool,
    /// Of the whole feed: nothing more was there to read. With a filter, pages before that may be empty.
    #[schema(required = false)]
    at_head: bool,
}

/// A named reader of the whole feed.
#[derive(ToSchema)]
pub struct Reader {
    name: String,
    /// Everything up to here is read.
    cursor: String,
    /// Events behind it, at most.
    lag_events: u64,
    /// For how long the first of them has been there.
    lag_seconds: u64,
    /// Some of them were removed: it can't go on from where it is, see `cursor-expired`.
    expired: bool,
    /// When it was last moved.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A page of readers.
#[derive(ToSchema)]
pub struct Readers {
    items: Vec<Reader>,
    next_cursor: Option<String>,
}

/// A queue: its settings, its jobs by state, and how many leave it per second.
#[derive(ToSchema)]
pub struct Queue {
    name: String,
    paused: bool,
    max_queued: u64,
    concurrency: Option<u32>,
    scheduled: u64,
    queued: u64,
    blocked: u64,
    running: u64,
    succeeded: u64,
    failed: u64,
    canceled: u64,
    drain_rate: Option<f64>,
}

/// Every queue.
#[derive(ToSchema)]
pub struct Queues {
    items: Vec<Queue>,
}

/// A kind: what it is, who serves it, its jobs by state.
#[derive(ToSchema)]
pub struct Kind {
    name: String,
    description: Option<String>,
    queue: Option<String>,
    method: Option<String>,
    input_schema: Option<Value>,
    typical_seconds: Option<f64>,
    /// Somebody takes its jobs now, in the queue that they go to or in one that holds some.
    served: bool,
    /// Who does.
    workers: Vec<String>,
    scheduled: u64,
    queued: u64,
    blocked: u64,
    running: u64,
    succeeded: u64,
    failed: u64,
    canceled: u64,
}

/// Every kind.
#[derive(ToSchema)]
pub struct Kinds {
    items: Vec<Kind>,
}

/// A worker.
#[derive(ToSchema)]
pub struct Worker {
    name: String,
    version: Option<String>,
    kinds: Vec<String>,
    queues: Vec<String>,
    /// It takes jobs now: its last request that named any asked for some, nothing troubles it, and it gave a sign of life
    /// within two minutes.
    serving: bool,
    /// Why it can take no jobs now.
    trouble: Option<String>,
    running: u64,
    #[schema(format = DateTime)]
    last_seen: String,
}

/// Workers seen lately.
#[derive(ToSchema)]
pub struct Workers {
    items: Vec<Worker>,
}

/// Work, and what became of finished runs.
#[derive(ToSchema)]
pub struct LeaseAnswer {
    leases: Vec<Lease>,
    finished: Vec<Finished>,
    /// The server is about to stop and hands out no more: ask another one, or again in a few seconds. Absent otherwise.
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
    #[schema(required = false)]
    state: Option<String>,
    #[schema(required = false)]
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
    #[schema(required = false)]
    ttl_seconds: Option<f64>,
    #[schema(required = false)]
    cancel_requested: Option<bool>,
    #[schema(required = false)]
    problem: Option<Problem>,
}

/// How far a stream or log is kept, counted from the start of this run's part.
#[derive(ToSchema)]
pub struct Appended {
    offset: u64,
    /// How many more bytes are taken; in answers to an empty body, which asks for it.
    #[schema(required = false)]
    room: Option<u64>,
}
