//! Short ways to make what the behaviours submit, ask for and report.

use bytes::Bytes;
use raincheck_core::{
    Content, Digest, Failure, FailureCode, LeaseJobs, Name, NameFilter, NewJob, Outcome, Payload, RetryPolicy, Spec,
};

use crate::rules::Hash;

/// The queue of [`new_job`].
pub const QUEUE: &str = "q";
/// The kind of [`new_job`].
pub const KIND: &str = "k";

/// A name.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Names and patterns, with commas between them.
pub fn names(text: &str) -> NameFilter {
    NameFilter::parse(text).unwrap()
}

/// The digest of a text.
pub fn digest(text: &str) -> Digest {
    Hash::of(text.as_bytes())
}

/// A JSON payload.
pub fn content(text: &str) -> Content {
    let payload = Payload::Inline(Bytes::copy_from_slice(text.as_bytes()));
    Content { payload, content_type: None, filename: None, digest: digest(text) }
}

/// A job of [`KIND`] in [`QUEUE`], tried again without jitter.
pub fn new_job() -> NewJob {
    new_of(QUEUE, KIND)
}

/// A job of a kind in a queue, tried again without jitter.
pub fn new_of(queue: &str, kind: &str) -> NewJob {
    let retry = RetryPolicy { jitter: false, ..RetryPolicy::default() };
    NewJob { spec: Box::new(Spec { retry, ..Spec::default() }), ..NewJob::new(name(queue), name(kind)) }
}

/// The end of a run with a result.
pub fn complete(text: &str) -> Outcome {
    Outcome::Complete(content(text))
}

/// The end of a run with an error that another attempt may cure.
pub fn fail(text: &str) -> Outcome {
    let failure = Failure {
        code: FailureCode::Failed,
        kind: Some("E".into()),
        title: Some("it broke".into()),
        detail: Some(text.into()),
    };
    Outcome::Fail { failure, retryable: true, retry_after: None }
}

/// A request for so many jobs of these kinds, from every queue, for ten seconds.
pub fn worker_asks(kinds: &[&str], max: usize) -> LeaseJobs {
    LeaseJobs {
        worker: "worker-1".into(),
        queues: Vec::new(),
        kinds: kinds.iter().map(|kind| name(kind)).collect(),
        patterns: Vec::new(),
        max,
        ttl: 10_000,
        request_id: None,
    }
}
