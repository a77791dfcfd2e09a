//! What a caller submits. Only `kind` is required; absent members take the kind's, the queue's or the server's defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{RawJson, WireDuration};

/// A job to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewJob {
    /// Names the work.
    pub kind: String,
    /// The input; byte for byte what the worker gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<RawJson>,
    /// For people: whose, which. At most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The idempotency key, at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it may be repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Higher goes first, within limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Not before so long from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<WireDuration>,
    /// Not before this RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<String>,
    /// Expired when not started by then: an RFC 3339 time or a duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_by: Option<String>,
    /// The longest that one run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<WireDuration>,
    /// How it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long it is kept when done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// For `GET`: how old an answer may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<WireDuration>,
    /// How many of one key run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How many of one key start in a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Whose turn it counts as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fairness_key: Option<String>,
    /// How large a share its fairness key has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Ids of jobs that come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What to do when one of those fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_failed: Option<AfterFailed>,
    /// The group that it joins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A URL, `{"url","events"}` or `{"name"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<serde_json::Value>,
    /// What a lost run means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// Losses in a row after which it is failed; 3 if not said, and 0 counts each as a failed attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_losses: Option<u32>,
    /// Free facts to find it by; at most 32 of 256 bytes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl NewJob {
    /// A job of this kind with every default and no input.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    /// The same with `value` as its input.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON.
    pub fn with_input<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { input: Some(super::raw_json(value)?), ..self })
    }
}

/// Whether a job may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Safe and repeatable: may be coalesced, cached, run again.
    Get,
    /// Changes state: at most one success.
    Post,
}

/// How a failed run is tried again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// Failures in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The first pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<WireDuration>,
    /// Each pause is so many times the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// The longest pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<WireDuration>,
    /// Whether pauses are spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<bool>,
}

/// How long a job is kept when done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// After a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<WireDuration>,
    /// After a failure or cancel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<WireDuration>,
}

/// How many jobs of one key run at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Concurrency {
    /// What is counted.
    pub key: String,
    /// How many may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// What happens to one more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnConflict>,
}

/// What happens to a job whose concurrency key is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// It waits for a slot.
    Wait,
    /// The one that holds it is answered instead.
    Skip,
    /// The one that holds it is canceled.
    Replace,
}

/// How many jobs of one key start in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rate {
    /// What is counted.
    pub key: String,
    /// For example `10/s`.
    pub limit: String,
}

/// What a failed dependency means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterFailed {
    /// This job fails too.
    Fail,
    /// This job runs all the same.
    Run,
}

/// What a lost run means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLost {
    /// Run it again.
    Retry,
    /// Outcome unknown: failed, for a person to decide.
    Fail,
}
