//! What answers look like, for the description. The serializers of the wire write them; a test compares the two.
#![allow(dead_code, reason = "described, not constructed")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{Object, OneOfBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::wire::{Method, ProgressBody, State, WaitingFor};

/// A job.
#[derive(ToSchema)]
pub struct Job {
    id: Uuid,
    kind: String,
    #[schema(required)]
    label: Option<String>,
    method: Method,
    queue: String,
    state: State,
    /// Whether the state is final.
    done: bool,
    cancel_requested: bool,
    #[schema(required)]
    waiting_for: Option<WaitingFor>,
    priority: i32,
    attempt: u32,
    failures: u32,
    max_attempts: u32,
    /// Number of its latest event.
    seq: u32,
    #[schema(required)]
    progress: Option<ProgressBody<'static>>,
    #[schema(required)]
    position: Option<u64>,
    #[schema(required)]
    eta_seconds: Option<u64>,
    /// Why it waits, in words for people, where there is more to say.
    #[schema(required)]
    waiting_detail: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    run_at: String,
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    #[schema(required)]
    result: Option<JobResult>,
    #[schema(required)]
    error: Option<Failure>,
    #[schema(required)]
    last_error: Option<Failure>,
    tags: BTreeMap<String, String>,
    #[schema(required)]
    key: Option<String>,
    #[schema(required)]
    rerun_of: Option<Uuid>,
    shared: u32,
    links: Links,
    /// With `?include=input`, and in a lease, when it is small JSON.
    #[schema(required = false, nullable = false)]
    input: Option<Value>,
    /// In a lease, when the input is large or not JSON.
    #[schema(required = false, nullable = false)]
    input_href: Option<String>,
    #[schema(required = false, nullable = false)]
    input_type: Option<String>,
    #[schema(required = false, nullable = false)]
    input_size: Option<u64>,
    #[schema(required = false, nullable = false)]
    input_filename: Option<String>,
}

/// What a success left.
#[derive(ToSchema)]
pub struct JobResult {
    href: String,
    content_type: String,
    #[schema(required)]
    filename: Option<String>,
    size: u64,
    /// JSON of at most 64 KiB.
    #[schema(required = false, nullable = false)]
    value: Option<Value>,
}

/// Why a run failed.
#[derive(ToSchema)]
pub struct Failure {
    /// The worker's own name for it, or a page of this server.
    r#type: String,
    title: String,
    #[schema(required = false, nullable = false)]
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
    #[schema(required)]
    next_cursor: Option<String>,
    /// The search ran out of time.
    #[schema(required = false, nullable = false)]
    partial: Option<bool>,
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
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A queue: its settings, its jobs by state, and how many leave it per second.
#[derive(ToSchema)]
pub struct Queue {
    name: String,
    paused: bool,
    max_queued: u64,
    #[schema(required)]
    concurrency: Option<u32>,
    scheduled: u64,
    queued: u64,
    blocked: u64,
    running: u64,
    succeeded: u64,
    failed: u64,
    canceled: u64,
    #[schema(required)]
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
    #[schema(required)]
    description: Option<String>,
    #[schema(required)]
    queue: Option<String>,
    #[schema(required)]
    method: Option<Method>,
    #[schema(required)]
    input_schema: Option<Value>,
    #[schema(required)]
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
    #[schema(required)]
    version: Option<String>,
    kinds: Vec<String>,
    queues: Vec<String>,
    /// It takes jobs now: its last request that named any asked for some, nothing troubles it, and it gave a sign of life
    /// within two minutes.
    serving: bool,
    /// Why it can take no jobs now.
    #[schema(required)]
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

/// The members of a shape that is an object.
pub fn object(schema: RefOr<Schema>) -> Object {
    match schema {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::default(),
    }
}
