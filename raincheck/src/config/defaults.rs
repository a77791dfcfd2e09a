//! What a job gets that does not say otherwise; the same names in `[defaults]`, a queue and a kind.

use raincheck_core::{RetryPolicy, limits};
use serde::{Deserialize, Serialize};

use super::Period;

/// What a job gets that does not say otherwise; in `[defaults]`, and with the same names in a queue or kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobDefaults {
    /// The longest that one run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// How a failed run is tried again.
    #[serde(skip_serializing_if = "Retry::is_empty")]
    pub retry: Retry,
    /// How long a job is kept when done.
    #[serde(skip_serializing_if = "Retention::is_empty")]
    pub retention: Retention,
    /// What a lost run means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// Losses in a row after which a job is failed; 0 counts each as a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_losses: Option<u32>,
}

impl JobDefaults {
    /// The same, with the program's own defaults where nothing was said.
    #[must_use]
    pub fn complete(self) -> Self {
        let (retry, retention) = (RetryPolicy::default(), raincheck_core::Retention::default());
        Self {
            timeout: self.timeout.or(Some(Period(limits::TIMEOUT_MILLIS))),
            retry: Retry {
                max_attempts: self.retry.max_attempts.or(Some(retry.max_attempts)),
                initial: self.retry.initial.or(Some(Period(retry.initial))),
                factor: self.retry.factor.or(Some(retry.factor)),
                max: self.retry.max.or(Some(Period(retry.max))),
                jitter: self.retry.jitter.or(Some(retry.jitter)),
            },
            retention: Retention {
                succeeded: self.retention.succeeded.or(Some(Period(retention.succeeded))),
                failed: self.retention.failed.or(Some(Period(retention.failed))),
            },
            on_lost: self.on_lost.or(Some(OnLost::Retry)),
            max_losses: self.max_losses.or(Some(limits::MAX_LOSSES_DEFAULT)),
        }
    }
}

/// How a failed run is tried again: after pauses that grow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// Failures after which it fails for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Bound of the first pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<Period>,
    /// Growth of the bound a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// The bound grows no further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Period>,
    /// Whether pauses are drawn from within the bound, so that they spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<bool>,
}

impl Retry {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How long a job is kept when done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// After success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<Period>,
    /// After failure or cancel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Period>,
}

impl Retention {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
