//! Query parameters that several requests share, for the description.
#![allow(dead_code, reason = "described, not constructed")]

use utoipa::IntoParams;

/// How long to wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitParameters {
    /// How long the answer may take, at most 50 s; `Prefer: wait=` says the same.
    #[param(example = "20s")]
    wait: Option<String>,
}

/// Where a stream or log is read from.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TailParameters {
    /// Bytes that the reader has.
    offset: Option<u64>,
    /// Stay open while it grows.
    follow: Option<bool>,
}

/// Which events of the whole feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedParameters {
    /// Events after this cursor; `0` is the oldest place from which nothing is missing, none is now.
    after: Option<String>,
    /// Of this queue.
    queue: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// That lead to this state, or to one of several with commas between them.
    #[param(example = "failed,canceled")]
    state: Option<String>,
    /// Of this job.
    job: Option<uuid::Uuid>,
}

/// Which jobs of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// In this state, or in one of several with commas between them.
    #[param(example = "queued,running")]
    state: Option<String>,
    /// In this queue.
    queue: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// With this idempotency key.
    key: Option<String>,
    /// Submitted at or after this time.
    created_after: Option<String>,
    /// With this text in id, label, key, tags, input or failure; searched for at most 2 s.
    q: Option<String>,
    /// Jobs on a page.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What a JSON submit has as members.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RawParameters {
    /// A line for people.
    label: Option<String>,
    /// Where it waits.
    queue: Option<String>,
    /// The idempotency key.
    key: Option<String>,
    /// `GET` or `POST`.
    method: Option<String>,
    /// -100 to 100, more goes first.
    priority: Option<i32>,
    /// Not before so long from now.
    delay: Option<String>,
    /// Not before this time.
    run_at: Option<String>,
    /// Fails unless started by then.
    start_by: Option<String>,
    /// Time limit of one attempt.
    timeout: Option<String>,
    /// An equal `GET` job that succeeded at most this long ago answers instead.
    max_age: Option<String>,
    /// `retry` or `fail`.
    on_lost: Option<String>,
    /// Failures in all.
    #[param(rename = "retry.max_attempts")]
    max_attempts: Option<u32>,
    /// Bound of the first pause.
    #[param(rename = "retry.initial")]
    initial: Option<String>,
    /// Growth of the bound per failure.
    #[param(rename = "retry.factor")]
    factor: Option<f64>,
    /// Largest bound.
    #[param(rename = "retry.max")]
    max: Option<String>,
    /// Draw each pause from the whole range below its bound.
    #[param(rename = "retry.jitter")]
    jitter: Option<bool>,
    /// How long it is kept after success.
    #[param(rename = "retention.succeeded")]
    succeeded: Option<String>,
    /// How long it is kept after failure or cancellation.
    #[param(rename = "retention.failed")]
    failed: Option<String>,
    /// How long the answer may take.
    wait: Option<String>,
}
