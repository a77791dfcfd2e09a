//! Query parameters that several requests share, for the description.
#![allow(dead_code, reason = "described, not constructed")]

use raincheck_core::limits::TAG_BYTES;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::wire::{Duration, Method, Moment, OnLost, one_of};

/// How long to wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitParameters {
    /// How long the answer may take, at most 45 s; `Prefer: wait=` says the same.
    #[param(example = "20s")]
    wait: Option<Duration>,
}

/// How a job that may have failed is answered.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FailureParameters {
    /// Status to answer for a job that has failed or was canceled: 200, or 400 to 599.
    #[param(minimum = 200, maximum = 599, example = 200)]
    on_failure: Option<u16>,
}

/// What is shown of a job besides.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IncludeParameters {
    /// The input is shown, too.
    #[param(inline)]
    include: Option<IncludeInput>,
}

/// What a submit says of itself.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct SubmitParameters {
    /// `wait=20`: the answer may take 20 s, until the job is done (RFC 7240).
    #[param(rename = "Prefer", example = "wait=20")]
    prefer: Option<String>,
    /// The same key and content is the same job.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 257, example = "order-1017")]
    key: Option<String>,
    /// The trace that it belongs to, which its worker is told (W3C Trace Context).
    #[param(rename = "traceparent", example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    traceparent: Option<String>,
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
    #[param(example = "failed,canceled", pattern = "^[a-z]+(,[a-z]+)*$")]
    state: Option<String>,
    /// Of this job.
    job: Option<uuid::Uuid>,
    /// What succeeded is told of with its result.
    #[param(inline)]
    include: Option<IncludeResult>,
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

/// What a change of a job takes for granted.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct JobPrecondition {
    /// The `ETag` that the job was read with, several of them, or `*` for any job that is there.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
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
    #[param(example = "queued,running", pattern = "^[a-z]+(,[a-z]+)*$")]
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
    /// With these tags: for each a parameter `tag.NAME=VALUE`.
    #[param(inline)]
    tags: Option<TagParameters>,
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
    /// Whether it may be repeated.
    method: Option<Method>,
    /// -100 to 100, more goes first.
    #[param(minimum = -100, maximum = 100)]
    priority: Option<i32>,
    /// Not before so long from now.
    delay: Option<Duration>,
    /// Not before this time, at most a hundred years ahead.
    #[param(format = DateTime)]
    run_at: Option<String>,
    /// Fails unless started by then.
    start_by: Option<Moment>,
    /// Time limit of one attempt.
    timeout: Option<Duration>,
    /// An equal `GET` job that succeeded at most this long ago answers instead.
    max_age: Option<Duration>,
    /// What to do when its worker vanishes.
    on_lost: Option<OnLost>,
    /// Losses in a row after which it is failed; 0 counts each as a failed attempt.
    #[param(minimum = 0, maximum = 1000)]
    max_losses: Option<u32>,
    /// Failures in all.
    #[param(rename = "retry.max_attempts", minimum = 1, maximum = 1000)]
    max_attempts: Option<u32>,
    /// Bound of the first pause.
    #[param(rename = "retry.initial")]
    initial: Option<Duration>,
    /// Growth of the bound per failure.
    #[param(rename = "retry.factor", minimum = 1, maximum = 1000)]
    factor: Option<f64>,
    /// Largest bound.
    #[param(rename = "retry.max")]
    max: Option<Duration>,
    /// Draw each pause from the whole range below its bound.
    #[param(rename = "retry.jitter")]
    jitter: Option<bool>,
    /// How long it is kept after success.
    #[param(rename = "retention.succeeded")]
    succeeded: Option<Duration>,
    /// How long it is kept after failure or cancellation.
    #[param(rename = "retention.failed")]
    failed: Option<Duration>,
    /// Its tags, at most 32: for each a parameter `tag.NAME=VALUE`.
    #[param(inline)]
    tags: Option<TagParameters>,
    /// How long the answer may take, until the job is done.
    wait: Option<Duration>,
}

macro_rules! include {
    ($($name:ident: $word:literal;)*) => {
        $(struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                one_of("What else is shown.", [$word])
            }
        }

        impl ToSchema for $name {})*
    };
}

include! {
    IncludeInput: "input";
    IncludeResult: "result";
}

/// Parameters whose names begin with `tag.`.
struct TagParameters;

impl PartialSchema for TagParameters {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String).max_length(Some(TAG_BYTES));
        let value = AdditionalProperties::from(Schema::from(text()));
        let name = text().max_length(Some("tag.".len() + TAG_BYTES)).pattern(Some("^tag\\..+"));
        let example = serde_json::json!({"tag.customer": "17"});
        ObjectBuilder::new().property_names(Some(name)).additional_properties(Some(value)).examples([example]).into()
    }
}

impl ToSchema for TagParameters {}
