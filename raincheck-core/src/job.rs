//! A job: the part that changes, the part that never does, and a new one.

use std::sync::Arc;

use crate::id::{JobId, JobNo};
use crate::limits;
use crate::name::Name;
use crate::payload::{Content, Digest, Payload};
use crate::retry::RetryPolicy;
use crate::state::State;
use crate::time::{Millis, Timestamp};

/// What kind of request a job defers (RFC 9110 section 9.2: safe and idempotent methods).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Safe and repeatable: equal jobs coalesce, may be cached, postponed, run again.
    Get,
    /// Changes state: at most one success, never repeated after it.
    Post,
}

impl Method {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// What to do when the worker of a run vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLost {
    /// Run it again, until as many runs in a row were lost as [`Job::max_losses`] says.
    Retry,
    /// Fail it at once: the outcome is unknown, a person decides.
    Fail,
}

impl OnLost {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            OnLost::Retry => "retry",
            OnLost::Fail => "fail",
        }
    }
}

/// How long a finished job is kept, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// After success.
    pub succeeded: Millis,
    /// After failure or cancellation.
    pub failed: Millis,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { succeeded: limits::KEEP_SUCCEEDED_MILLIS, failed: limits::KEEP_FAILED_MILLIS }
    }
}

/// The part of a job that changes: small, read and written at every step of its life.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Number in the store.
    pub no: JobNo,
    /// Public id: made by the store from `no`, unless the client chose one.
    pub id: JobId,
    /// Where it waits.
    pub queue: Name,
    /// Its kind: what a worker must be able to do to take it.
    pub kind: Name,
    /// Whether it may be repeated.
    pub method: Method,
    /// Where it stands.
    pub state: State,
    /// A running job was asked to stop.
    pub cancel_requested: bool,
    /// What to do when its worker vanishes.
    pub on_lost: OnLost,
    /// -100 to 100, more goes first.
    pub priority: i32,
    /// How often it was leased.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// Runs lost in a row.
    pub losses: u32,
    /// Failures after which it fails for good.
    pub max_attempts: u32,
    /// Losses in a row after which it is taken for poison; 0 counts each as a failure.
    pub max_losses: u32,
    /// Number of its latest event.
    pub seq: u32,
    /// Callers sharing it (coalesced submits), from 1.
    pub shared: u32,
    /// Place among the ready ones; see [`crate::rank()`].
    pub rank: i64,
    /// Running number within its queue; less the number served it is the position.
    pub ticket: i64,
    /// It is not ready before; a retry moves it.
    pub run_at: Timestamp,
    /// Fails unless started by then.
    pub start_by: Option<Timestamp>,
    /// Time limit of one attempt, milliseconds.
    pub timeout: Millis,
    /// Length of the present or latest lease, milliseconds.
    pub ttl: Millis,
    /// How long it is kept once final.
    pub retention: Retention,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When its latest attempt started.
    pub started_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
    /// When it will be purged.
    pub expires_at: Option<Timestamp>,
}

impl Job {
    /// A new job, with the id it gets unless it chose one.
    #[inline]
    pub fn new(new: &NewJob, fresh: (JobNo, JobId), ticket: i64, now: Timestamp, tick: Millis) -> Self {
        let run_at = new.run_at.unwrap_or_else(|| now.plus(new.delay));
        Job {
            no: fresh.0,
            id: new.id.unwrap_or(fresh.1),
            queue: new.queue.clone(),
            kind: new.kind.clone(),
            method: new.method,
            state: if run_at > now { State::Scheduled } else { State::Queued },
            cancel_requested: false,
            on_lost: new.on_lost,
            priority: new.priority,
            attempt: 0,
            failures: 0,
            losses: 0,
            max_attempts: new.spec.retry.max_attempts,
            max_losses: new.max_losses,
            seq: 1,
            shared: 1,
            rank: crate::rank(tick, new.priority),
            ticket,
            run_at: run_at.max(now),
            start_by: new.start_by,
            timeout: new.timeout,
            ttl: 0,
            retention: new.retention,
            created_at: now,
            started_at: None,
            updated_at: now,
            finished_at: None,
            expires_at: None,
        }
    }

    /// Whether it counts as purged, be it still there because cleaning up is behind.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// The part of a job that never changes: what the client asked for.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Spec {
    /// A line for people.
    pub label: Option<Box<str>>,
    /// Idempotency key, as the client sent it; unique in its queue.
    pub key: Option<Box<str>>,
    /// Names and values for finding it again.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// What the worker gets.
    pub input: Content,
    /// When a failed attempt is tried again.
    pub retry: RetryPolicy,
    /// The job this one runs again.
    pub rerun_of: Option<JobId>,
    /// W3C Trace Context of the submit, carried to the worker.
    pub traceparent: Option<Box<str>>,
    /// What tracing systems say beside it.
    pub tracestate: Option<Box<str>>,
}

impl Spec {
    /// The same without the input: what an answer shows of a job that is new.
    pub fn without_input(&self) -> Spec {
        let Spec { label, key, tags, input: _, retry, rerun_of, traceparent, tracestate } = self;
        Spec {
            label: label.clone(),
            key: key.clone(),
            tags: tags.clone(),
            input: Content::default(),
            retry: *retry,
            rerun_of: *rerun_of,
            traceparent: traceparent.clone(),
            tracestate: tracestate.clone(),
        }
    }

    /// How much text and input stands with the job, bytes.
    pub fn stored_bytes(&self) -> usize {
        let Spec { label, key, tags, input, retry: _, rerun_of: _, traceparent, tracestate } = self;
        let Content { payload, content_type, filename, digest: _ } = input;
        let texts = [label, key, traceparent, tracestate, content_type, filename]
            .map(|text| text.as_ref().map_or(0, |it| it.len()));
        let tags = tags.iter().map(|(name, value)| name.len() + value.len());
        let inline = if let Payload::Inline(bytes) = payload { bytes.len() } else { 0 };
        texts.into_iter().chain(tags).sum::<usize>() + inline
    }
}

/// A job about to be submitted, all defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Where it will wait.
    pub queue: Name,
    /// Its kind: what a worker must be able to do to take it.
    pub kind: Name,
    /// Whether it may be repeated.
    pub method: Method,
    /// -100 to 100, more goes first.
    pub priority: i32,
    /// Not before; `None` is now.
    pub run_at: Option<Timestamp>,
    /// Not before this long after the submit, milliseconds; wins over nothing, `run_at` wins over it.
    pub delay: Millis,
    /// Fails unless started by then.
    pub start_by: Option<Timestamp>,
    /// Time limit of one attempt, milliseconds.
    pub timeout: Millis,
    /// What to do when its worker vanishes.
    pub on_lost: OnLost,
    /// Losses in a row after which it is taken for poison; 0 counts each as a failure.
    pub max_losses: u32,
    /// How long it is kept once final.
    pub retention: Retention,
    /// The id the client chose.
    pub id: Option<JobId>,
    /// It is one of a batch that has a name, and is compared as such whether or not it has one itself.
    pub of_batch: bool,
    /// Digest of everything the client asked for; compares keys, chosen ids and batches.
    pub fingerprint: Digest,
    /// Digest under which a `GET` job is equal to another; `None` never coalesces.
    pub equal: Option<Digest>,
    /// An equal job that succeeded at most this long ago answers instead, milliseconds.
    pub max_age: Option<Millis>,
    /// Jobs that answer nothing instead, as their results are known to be lost.
    pub lost: Option<Arc<[JobNo]>>,
    /// What never changes. Boxed as [`crate::Change::Insert`] is going to keep it.
    pub spec: Box<Spec>,
}

impl NewJob {
    /// A job of `kind` in `queue` with every default.
    pub fn new(queue: Name, kind: Name) -> Self {
        NewJob {
            queue,
            kind,
            method: Method::Post,
            priority: 0,
            run_at: None,
            delay: 0,
            start_by: None,
            timeout: limits::TIMEOUT_MILLIS,
            on_lost: OnLost::Retry,
            max_losses: limits::MAX_LOSSES_DEFAULT,
            retention: Retention::default(),
            id: None,
            of_batch: false,
            fingerprint: Digest::default(),
            equal: None,
            max_age: None,
            lost: None,
            spec: Box::default(),
        }
    }

    /// One that asks for what `job` did, of which `spec` is the part that never changes: at once, and for itself.
    pub fn again(job: &Job, spec: Spec) -> Self {
        NewJob {
            method: job.method,
            priority: job.priority,
            timeout: job.timeout,
            on_lost: job.on_lost,
            max_losses: job.max_losses,
            retention: job.retention,
            spec: Box::new(Spec { key: None, rerun_of: Some(job.id), ..spec }),
            ..NewJob::new(job.queue.clone(), job.kind.clone())
        }
    }
}
