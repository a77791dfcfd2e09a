//! How a run ended, as its runner says it.

use std::time::Duration;

use serde::Serialize;

use crate::{
    Error,
    api::{Failure, FailureError, RawJson, raw_json},
    client::ResultBody,
    error::PAYLOAD_LOST,
};

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// It succeeded.
    Complete(ResultBody),
    /// It failed.
    Fail(Failure),
    /// It is given back uncounted, not to be run again before so long from now.
    Release(Option<Duration>),
    /// It could not be run for a reason that is the worker's own, which this says in words: a disk that is full, a
    /// program that cannot be started. It is given back uncounted, and the worker takes no work for a while; the pause
    /// grows until a run shows that the trouble is over.
    Trouble(String),
}

impl Outcome {
    /// Success with `value` as its JSON result; a value that cannot be written as JSON is a failure for good.
    pub fn complete<T: Serialize + ?Sized>(value: &T) -> Self {
        match raw_json(value) {
            Ok(json) => Self::Complete(ResultBody::Json(json)),
            Err(error) => Self::fail("invalid-result", "the result cannot be written as JSON", error.to_string()),
        }
    }

    /// Failure for good: another attempt would end the same way.
    pub fn fail(kind: impl Into<String>, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Fail(Failure { error: error(kind, title, detail), retryable: false, retry_after: None })
    }

    /// The outcome of a run that this error kept from being run: trouble of the worker, a failure for good where the server
    /// has lost the input, or one that another attempt may cure where the fault may lie with the job.
    #[must_use]
    pub fn of_error(error: &Error) -> Self {
        if error.is_lease_lost() {
            return Self::Release(None);
        }
        if error.is_payload_lost() {
            return Self::fail(PAYLOAD_LOST, "the server has lost the input", error.in_full());
        }
        match error.is_own_trouble() {
            true => Self::Trouble(error.in_full()),
            false => Self::retry("cannot-run", "the worker could not run the job", error.in_full()),
        }
    }

    /// Failure that another attempt may cure.
    pub fn retry(kind: impl Into<String>, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Fail(Failure { error: error(kind, title, detail), retryable: true, retry_after: None })
    }
}

fn error(kind: impl Into<String>, title: impl Into<String>, detail: impl Into<String>) -> FailureError {
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    FailureError { kind: filled(kind.into()), title: filled(title.into()), detail: filled(detail.into()) }
}

impl From<ResultBody> for Outcome {
    fn from(body: ResultBody) -> Self {
        Self::Complete(body)
    }
}

impl From<RawJson> for Outcome {
    fn from(json: RawJson) -> Self {
        Self::Complete(ResultBody::Json(json))
    }
}

impl From<serde_json::Value> for Outcome {
    fn from(value: serde_json::Value) -> Self {
        Self::complete(&value)
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Complete(ResultBody::None)
    }
}

/// So that a handler may use `?`: an error is a retryable failure with its text as the detail. To fail for good,
/// return `Ok(Outcome::fail(…))`.
impl<T: Into<Self>, E: std::fmt::Display> From<Result<T, E>> for Outcome {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => value.into(),
            Err(error) => Self::retry("run-failed", "the run failed", error.to_string()),
        }
    }
}
