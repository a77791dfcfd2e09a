//! Query parameters that several requests share, for the description.
#![allow(dead_code, reason = "described, not constructed")]

use utoipa::IntoParams;

/// How long to wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitParameters {
    /// How long the answer may take, at most 50 s; `Prefer: wait=` says the same.
    #[param(example = "20s", pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
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
    /// Events after this cursor; `0` is the oldest that is there, none is now.
    after: Option<String>,
    /// Events after the place of this named reader; with `after`, from there on, told of what it has missed.
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
    reader: Option<String>,
    /// Of this queue, or of those that a pattern matches; several with commas between them.
    #[param(
        example = "shop.*,mail",
        pattern = "^[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}(,[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}){0,31}$"
    )]
    queue: Option<String>,
    /// Of this kind, or of those that a pattern matches; several with commas between them.
    #[param(
        example = "shop.*,mail",
        pattern = "^[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}(,[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}){0,31}$"
    )]
    kind: Option<String>,
    /// That lead to this state, or to one of several with commas between them.
    #[param(example = "failed,canceled")]
    state: Option<String>,
    /// Of this job.
    job: Option<uuid::Uuid>,
    /// `result`: what succeeded is told of with its result.
    include: Option<String>,
}

/// What a change takes for granted.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct PreconditionParameters {
    /// The `ETag` that it was read with, several of them, or `*` for any.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// `*`: there is none.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// Rows on a page.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which jobs of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// In this state, or in one of several with commas between them.
    #[param(example = "queued,running")]
    state: Option<String>,
    /// In this queue, or in those that a pattern matches; several with commas between them.
    #[param(
        example = "shop.*,mail",
        pattern = "^[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}(,[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}){0,31}$"
    )]
    queue: Option<String>,
    /// Of this kind, or of those that a pattern matches; several with commas between them.
    #[param(
        example = "shop.*,mail",
        pattern = "^[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}(,[A-Za-z0-9*][A-Za-z0-9*._:-]{0,127}){0,31}$"
    )]
    kind: Option<String>,
    /// With this idempotency key.
    #[param(min_length = 1, max_length = 255)]
    key: Option<String>,
    /// With this tag: `NAME` stands for its name; any number of them.
    #[param(rename = "tag.NAME", max_length = 255)]
    tag: Option<String>,
    /// Submitted at or after this time.
    #[param(format = DateTime)]
    created_after: Option<String>,
    /// With this text in id, label, key, tags, input or failure; searched for at most 2 s.
    #[param(min_length = 1, max_length = 256)]
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
    #[param(max_length = 256)]
    label: Option<String>,
    /// Where it waits.
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
    queue: Option<String>,
    /// The idempotency key.
    #[param(min_length = 1, max_length = 255)]
    key: Option<String>,
    /// `GET` or `POST`.
    #[param(pattern = "^(GET|POST)$")]
    method: Option<String>,
    /// -100 to 100, more goes first.
    #[param(minimum = -100, maximum = 100)]
    priority: Option<i32>,
    /// Not before so long from now.
    #[param(pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    delay: Option<String>,
    /// Not before this time, at most a hundred years ahead.
    #[param(format = DateTime)]
    run_at: Option<String>,
    /// Fails unless started by then.
    start_by: Option<String>,
    /// Time limit of one attempt.
    #[param(pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    timeout: Option<String>,
    /// An equal `GET` job that succeeded at most this long ago answers instead.
    #[param(pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    max_age: Option<String>,
    /// `retry` or `fail`.
    #[param(pattern = "^(retry|fail)$")]
    on_lost: Option<String>,
    /// Losses in a row after which it is failed; 0 counts each as a failed attempt.
    #[param(minimum = 0, maximum = 1000, default = 3)]
    max_losses: Option<u32>,
    /// Failures in all.
    #[param(rename = "retry.max_attempts", minimum = 1, maximum = 1000)]
    max_attempts: Option<u32>,
    /// Bound of the first pause.
    #[param(rename = "retry.initial", pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    initial: Option<String>,
    /// Growth of the bound per failure.
    #[param(rename = "retry.factor", minimum = 1, maximum = 1000)]
    factor: Option<f64>,
    /// Largest bound.
    #[param(rename = "retry.max", pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    max: Option<String>,
    /// Draw each pause from the whole range below its bound.
    #[param(rename = "retry.jitter")]
    jitter: Option<bool>,
    /// How long it is kept after success.
    #[param(rename = "retention.succeeded", pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    succeeded: Option<String>,
    /// How long it is kept after failure or cancellation.
    #[param(rename = "retention.failed", pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    failed: Option<String>,
    /// The value of a tag: `NAME` stands for its name; at most 32 of them.
    #[param(rename = "tag.NAME", max_length = 255)]
    tag: Option<String>,
    /// How long the answer may take.
    #[param(pattern = "^[0-9]{1,7}(ms|s|m|h|d)?$")]
    wait: Option<String>,
}
