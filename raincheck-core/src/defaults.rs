//! What a request leaves out, in levels: server < queue < kind < job.

use std::collections::HashMap;

use crate::job::{Method, OnLost, Retention};
use crate::limits;
use crate::name::Name;
use crate::retry::RetryPolicy;
use crate::time::Millis;

/// The defaults of jobs. Queues and kinds that stand here are owned by the configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Of every job.
    pub server: Policy,
    /// Of the jobs of a queue.
    pub queues: HashMap<Name, Policy>,
    /// Of the jobs of a kind.
    pub kinds: HashMap<Name, KindDefaults>,
    /// Where jobs wait when neither they nor their kind say where.
    pub queue: Name,
    /// Queues are made on first use; otherwise only those of the configuration and those made by hand are taken.
    pub auto_queues: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            server: Policy::default(),
            queues: HashMap::new(),
            kinds: HashMap::new(),
            queue: Name::default_queue(),
            auto_queues: true,
        }
    }
}

/// The defaults of a kind's jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KindDefaults {
    /// Where they wait.
    pub queue: Option<Name>,
    /// Whether they may be repeated.
    pub method: Option<Method>,
    /// How they are run and kept.
    pub policy: Policy,
}

/// How a job is run and kept; members that are `None` are left to the level below.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Policy {
    /// Time limit of one attempt, milliseconds.
    pub timeout: Option<Millis>,
    /// What to do when its worker vanishes.
    pub on_lost: Option<OnLost>,
    /// Losses in a row after which a job fails for good; 0 counts each as a failure.
    pub max_losses: Option<u32>,
    /// Failures after which a job fails for good.
    pub max_attempts: Option<u32>,
    /// Bound of the first pause, milliseconds.
    pub retry_initial: Option<Millis>,
    /// Growth of the bound per failure.
    pub retry_factor: Option<f64>,
    /// Largest bound, milliseconds.
    pub retry_max: Option<Millis>,
    /// Whether pauses are drawn from the whole range below the bound.
    pub retry_jitter: Option<bool>,
    /// How long it is kept after success, milliseconds.
    pub keep_succeeded: Option<Millis>,
    /// How long it is kept after failure or cancellation, milliseconds.
    pub keep_failed: Option<Millis>,
}

impl Policy {
    /// This policy, and `below` where it says nothing.
    #[must_use]
    pub fn over(self, below: &Policy) -> Policy {
        Policy {
            timeout: self.timeout.or(below.timeout),
            on_lost: self.on_lost.or(below.on_lost),
            max_losses: self.max_losses.or(below.max_losses),
            max_attempts: self.max_attempts.or(below.max_attempts),
            retry_initial: self.retry_initial.or(below.retry_initial),
            retry_factor: self.retry_factor.or(below.retry_factor),
            retry_max: self.retry_max.or(below.retry_max),
            retry_jitter: self.retry_jitter.or(below.retry_jitter),
            keep_succeeded: self.keep_succeeded.or(below.keep_succeeded),
            keep_failed: self.keep_failed.or(below.keep_failed),
        }
    }

    pub(crate) fn timeout(&self) -> Millis {
        self.timeout.unwrap_or(limits::TIMEOUT_MILLIS)
    }

    pub(crate) fn on_lost(&self) -> OnLost {
        self.on_lost.unwrap_or(OnLost::Retry)
    }

    pub(crate) fn max_losses(&self) -> u32 {
        self.max_losses.unwrap_or(limits::MAX_LOSSES_DEFAULT)
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        let default = RetryPolicy::default();
        RetryPolicy {
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts),
            initial: self.retry_initial.unwrap_or(default.initial),
            factor: self.retry_factor.unwrap_or(default.factor),
            max: self.retry_max.unwrap_or(default.max),
            jitter: self.retry_jitter.unwrap_or(default.jitter),
        }
    }

    pub(crate) fn retention(&self) -> Retention {
        let default = Retention::default();
        Retention {
            succeeded: self.keep_succeeded.unwrap_or(default.succeeded),
            failed: self.keep_failed.unwrap_or(default.failed),
        }
    }
}

impl Defaults {
    /// What a job says, over what is said of its kind, its queue and every job.
    pub(crate) fn under(&self, job: Policy, kind: Option<&KindDefaults>, queue: &Name) -> Policy {
        let mut policy = job;
        if let Some(kind) = kind {
            policy = policy.over(&kind.policy);
        }
        if let Some(queue) = self.queues.get(queue) {
            policy = policy.over(queue);
        }
        policy.over(&self.server)
    }

    /// Whether the configuration file owns this queue.
    pub fn owns_queue(&self, queue: &Name) -> bool {
        self.queues.contains_key(queue)
    }
}
