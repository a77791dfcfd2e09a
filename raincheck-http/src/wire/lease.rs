//! What workers send: requests for work, heartbeats, ends of runs.

use std::borrow::Cow;

use raincheck_core::{Failure, FailureCode, limits};
use serde::Deserialize;

use super::read::{AtMost, Object};
use super::{Duration, Present, ProgressBody};
use crate::cut::{cut, shorten};

/// A request for work.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeaseRequest)]
pub struct LeaseBody<'a> {
    /// Who asks.
    #[serde(borrow)]
    #[schema(value_type = Option<WorkerBody>)]
    pub worker: Option<Object<WorkerBody<'a>>>,
    /// From these queues; empty is all.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    pub queues: AtMost<Cow<'a, str>, { limits::LEASE_NAMES }>,
    /// Of these kinds; `*` in one stands for any run of characters (`shop.*`), in at most 100 of them. May be left out where
    /// queues are named: then any kind in them.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    pub kinds: AtMost<Cow<'a, str>, { limits::LEASE_NAMES }>,
    /// At most so many; 1 unless given, 0 only finishes, and says what troubles the worker.
    #[schema(maximum = 1000)]
    pub max: Option<usize>,
    /// How long to wait for the first; more than the server lets anybody wait is cut to that.
    pub wait: Option<Duration>,
    /// Length of the leases.
    pub ttl: Option<Duration>,
    /// The same again returns the same leases while they last.
    #[serde(borrow)]
    #[schema(min_length = 1, max_length = 255)]
    pub request_id: Option<Cow<'a, str>>,
    /// Ends of earlier runs.
    #[serde(default, borrow)]
    #[schema(value_type = Vec<FinishBody>, max_items = 1000)]
    pub finish: AtMost<Object<FinishBody<'a>>, { limits::LEASE_JOBS }>,
}

/// Who a worker says it is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkerName)]
pub struct WorkerBody<'a> {
    /// For people; need not be unique. One line.
    #[serde(borrow)]
    #[schema(min_length = 1, max_length = 256)]
    pub name: Cow<'a, str>,
    /// Of its program.
    #[serde(borrow)]
    #[schema(max_length = 256)]
    pub version: Option<Cow<'a, str>>,
    /// Why it can take no jobs now, with a `max` of 0: shown to people until its next request without it. An empty one is
    /// none; of more than 1 KiB the beginning is kept, and a mark.
    #[serde(borrow)]
    pub trouble: Option<Cow<'a, str>>,
}

/// The end of a run: exactly one of `complete`, `fail` and `release`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Finish)]
pub struct FinishBody<'a> {
    /// Which run.
    #[serde(borrow)]
    #[schema(max_length = 255)]
    pub lease: Cow<'a, str>,
    /// It succeeded.
    #[serde(borrow)]
    #[schema(value_type = Option<CompleteBody>)]
    pub complete: Option<Object<CompleteBody<'a>>>,
    /// It failed.
    #[serde(borrow)]
    #[schema(value_type = Option<FailBody>)]
    pub fail: Option<Object<FailBody<'a>>>,
    /// It is given back.
    #[schema(value_type = Option<ReleaseBody>)]
    pub release: Option<Object<ReleaseBody>>,
}

/// A success.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Complete)]
pub struct CompleteBody<'a> {
    /// Any JSON; absent for none.
    #[serde(default, borrow, deserialize_with = "Present::some")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub result: Option<Present<'a>>,
}

/// A failure.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Fail)]
pub struct FailBody<'a> {
    /// Why.
    #[serde(borrow)]
    #[schema(value_type = Option<ErrorBody>)]
    error: Option<Object<ErrorBody<'a>>>,
    /// Whether another attempt may help; true unless given.
    pub retryable: Option<bool>,
    /// Wait so long before it, instead of what the job says.
    pub retry_after: Option<Duration>,
}

/// Why a run failed, in the words of RFC 9457.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FailError)]
pub struct ErrorBody<'a> {
    /// The worker's own name for it.
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    /// One line for people.
    #[serde(borrow)]
    title: Option<Cow<'a, str>>,
    /// The whole story.
    #[serde(borrow)]
    detail: Option<Cow<'a, str>>,
}

impl FailBody<'_> {
    /// The core's word for it. Long texts are cut: a failure must be recorded, whatever it says.
    pub fn failure(&self) -> Failure {
        let shorten = |text: &Option<Cow<'_, str>>, most| text.as_ref().map(|text| shorten(text, most));
        let empty = Object::default();
        let Object(error) = self.error.as_ref().unwrap_or(&empty);
        Failure {
            code: FailureCode::Failed,
            kind: error.kind.as_ref().map(|kind| cut(kind, limits::LABEL_BYTES).into()),
            title: shorten(&error.title, limits::PROGRESS_MESSAGE_BYTES),
            detail: shorten(&error.detail, limits::ERROR_DETAIL_BYTES),
        }
    }
}

/// A run given back.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Release)]
pub struct ReleaseBody {
    /// Not again before so long from now.
    pub delay: Option<Duration>,
}

/// A sign of life of one run.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Heartbeat)]
pub struct HeartbeatBody<'a> {
    /// How far it is.
    #[serde(borrow)]
    #[schema(value_type = Option<ProgressBody>)]
    pub progress: Option<Object<ProgressBody<'a>>>,
    /// The lease lasts so long from now. Longer than it was taken with is a hand-over: it outlives every restart of the
    /// server, and must not be longer than what is left of the job's timeout.
    pub ttl: Option<Duration>,
    /// Answer when the run should stop, at the latest after so long.
    pub wait: Option<Duration>,
}

/// Signs of life of many runs.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Heartbeats)]
pub struct HeartbeatsBody<'a> {
    /// One for each run.
    #[serde(borrow)]
    #[schema(value_type = Vec<BeatBody>, max_items = 1000)]
    pub heartbeats: AtMost<Object<BeatBody<'a>>, { limits::LEASE_JOBS }>,
    /// Answer when one of them should stop, at the latest after so long.
    pub wait: Option<Duration>,
}

/// One of many signs of life.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Beat)]
pub struct BeatBody<'a> {
    /// Which run.
    #[serde(borrow)]
    #[schema(max_length = 255)]
    pub lease: Cow<'a, str>,
    /// How far it is.
    #[serde(borrow)]
    #[schema(value_type = Option<ProgressBody>)]
    pub progress: Option<Object<ProgressBody<'a>>>,
    /// The lease lasts so long from now. Longer than it was taken with is a hand-over: it outlives every restart of the
    /// server, and must not be longer than what is left of the job's timeout.
    pub ttl: Option<Duration>,
}
