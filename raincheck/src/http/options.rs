//! What the server is told at its start: where it listens, what it accepts, its limits and defaults.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use raincheck_core::{Method, Millis, Name, OnLost, Retention, RetryPolicy, limits};

/// Everything the HTTP side is told by configuration.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Begins every URL that is handed out, without a slash at its end; else the accepted `Host` does.
    pub public_url: Option<String>,
    /// Further accepted values of `Host`: `name`, for any port, or `name:port`.
    pub hosts: Vec<String>,
    /// Origins whose pages may call, with a token.
    pub cors_origins: Vec<String>,
    /// Status of `GET /jobs/{id}` for a failed job.
    pub failed_status: u16,
    /// When set, everything but `/livez` requires it as bearer token.
    pub admin_token: Option<String>,
    /// Bounds of what comes in.
    pub limits: HttpLimits,
    /// What a submit leaves out.
    pub defaults: Live<Defaults>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 8202)),
            public_url: None,
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            failed_status: 400,
            admin_token: None,
            limits: HttpLimits::default(),
            defaults: Live::default(),
        }
    }
}

/// Options that may change while the server runs; all clones see the change.
#[derive(Clone, Debug, Default)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// These, until they are set anew.
    pub fn new(value: T) -> Self {
        Live(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// As they are now.
    pub fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets them for whoever asks from now on.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// Whether a failed job may be answered with this status: as success with the job, or as an error.
pub fn tells_failure(status: u16) -> bool {
    status == 200 || (400..600).contains(&status)
}

/// Bounds of what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Largest JSON body, bytes.
    pub json_body: usize,
    /// Largest body of a batch, bytes.
    pub batch_body: usize,
    /// Largest raw input or result, bytes.
    pub file: u64,
    /// Largest request head, bytes.
    pub header_bytes: usize,
    /// Most connections at once.
    pub connections: usize,
    /// Most open event streams at once.
    pub streams: usize,
    /// Longest wait of a request, milliseconds.
    pub wait: Millis,
    /// Most raw inputs that go to files on their way in at once, and as many results.
    pub uploads: usize,
    /// Over how long a body that goes to a file must not come too slowly, milliseconds.
    pub slow: Millis,
    /// How long the other end of a connection may take nothing of an answer, milliseconds.
    pub stalled: Millis,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            json_body: limits::JSON_BODY_BYTES,
            batch_body: limits::BATCH_BODY_BYTES,
            file: limits::FILE_BYTES,
            header_bytes: limits::HEADER_BYTES,
            connections: limits::CONNECTIONS,
            streams: limits::STREAMS,
            wait: limits::WAIT_MILLIS,
            uploads: limits::UPLOADS,
            slow: limits::SLOW_MILLIS,
            stalled: limits::STALLED_MILLIS,
        }
    }
}

/// How large a body may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Largest {
    /// In bytes.
    pub bytes: u64,
    /// Which setting says so.
    pub setting: &'static str,
}

impl HttpLimits {
    /// A JSON body.
    pub fn json(&self) -> Largest {
        Largest { bytes: self.json_body as u64, setting: "json_body" }
    }

    /// The body of a batch.
    pub fn batch(&self) -> Largest {
        Largest { bytes: self.batch_body as u64, setting: "batch_body" }
    }

    /// A raw input or result.
    pub fn raw(&self) -> Largest {
        Largest { bytes: self.file, setting: "file" }
    }
}

/// The defaults of a submit in their order: server < queue < kind < job. Queues and kinds that stand here are owned
/// by the configuration file.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Of every job.
    pub server: Policy,
    /// Of the jobs of a queue.
    pub queues: HashMap<Name, Policy>,
    /// Of the jobs of a kind.
    pub kinds: HashMap<Name, KindOptions>,
    /// Queues are made on first use; otherwise only those of the configuration and those made by `PATCH` are taken.
    pub auto_queues: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults { server: Policy::default(), queues: HashMap::new(), kinds: HashMap::new(), auto_queues: true }
    }
}

/// What the configuration says about a kind.
#[derive(Clone, Debug, Default)]
pub struct KindOptions {
    /// For people.
    pub description: Option<String>,
    /// Where its jobs wait unless they say otherwise.
    pub queue: Option<Name>,
    /// Whether its jobs may be repeated, unless they say otherwise.
    pub method: Option<Method>,
    /// JSON Schema of its input, for people and tools.
    pub input_schema: Option<serde_json::Value>,
    /// Of its jobs.
    pub policy: Policy,
}

/// How a job is run and kept; members that are `None` are left to the layer below.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Policy {
    /// Time limit of one attempt, milliseconds.
    pub timeout: Option<Millis>,
    /// What to do when its worker vanishes.
    pub on_lost: Option<OnLost>,
    /// Failures in all.
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

/// A policy with nothing left open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolved {
    /// Time limit of one attempt, milliseconds.
    pub timeout: Millis,
    /// What to do when its worker vanishes.
    pub on_lost: OnLost,
    /// When a failed attempt is tried again.
    pub retry: RetryPolicy,
    /// How long it is kept once final.
    pub retention: Retention,
}

impl Policy {
    /// This policy, and `below` where it says nothing.
    fn over(self, below: &Policy) -> Policy {
        Policy {
            timeout: self.timeout.or(below.timeout),
            on_lost: self.on_lost.or(below.on_lost),
            max_attempts: self.max_attempts.or(below.max_attempts),
            retry_initial: self.retry_initial.or(below.retry_initial),
            retry_factor: self.retry_factor.or(below.retry_factor),
            retry_max: self.retry_max.or(below.retry_max),
            retry_jitter: self.retry_jitter.or(below.retry_jitter),
            keep_succeeded: self.keep_succeeded.or(below.keep_succeeded),
            keep_failed: self.keep_failed.or(below.keep_failed),
        }
    }
}

impl Defaults {
    /// The policy of a job of `kind` in `queue` that itself says `job`.
    pub fn resolve(&self, queue: &Name, kind: &Name, job: Policy) -> Resolved {
        let mut policy = job;
        if let Some(kind) = self.kinds.get(kind) {
            policy = policy.over(&kind.policy);
        }
        if let Some(queue) = self.queues.get(queue) {
            policy = policy.over(queue);
        }
        let policy = policy.over(&self.server);
        let (retry, retention) = (RetryPolicy::default(), Retention::default());
        Resolved {
            timeout: policy.timeout.unwrap_or(limits::TIMEOUT_MILLIS),
            on_lost: policy.on_lost.unwrap_or(OnLost::Retry),
            retry: RetryPolicy {
                max_attempts: policy.max_attempts.unwrap_or(retry.max_attempts),
                initial: policy.retry_initial.unwrap_or(retry.initial),
                factor: policy.retry_factor.unwrap_or(retry.factor),
                max: policy.retry_max.unwrap_or(retry.max),
                jitter: policy.retry_jitter.unwrap_or(retry.jitter),
            },
            retention: Retention {
                succeeded: policy.keep_succeeded.unwrap_or(retention.succeeded),
                failed: policy.keep_failed.unwrap_or(retention.failed),
            },
        }
    }

    /// Whether the configuration file owns this queue.
    pub fn owns_queue(&self, queue: &Name) -> bool {
        self.queues.contains_key(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_layer_wins() {
        let name = |text| Name::new(text).unwrap();
        let server = Policy { timeout: Some(1), max_attempts: Some(1), keep_failed: Some(1), ..Policy::default() };
        let mut defaults = Defaults { server, ..Defaults::default() };
        defaults.queues.insert(name("q"), Policy { timeout: Some(2), max_attempts: Some(2), ..Policy::default() });
        let policy = Policy { timeout: Some(3), ..Policy::default() };
        defaults.kinds.insert(name("k"), KindOptions { policy, ..KindOptions::default() });
        let bare = defaults.resolve(&name("q"), &name("k"), Policy::default());
        assert_eq!((bare.timeout, bare.retry.max_attempts, bare.retention.failed), (3, 2, 1));
        let job = Policy { timeout: Some(4), ..Policy::default() };
        assert_eq!(defaults.resolve(&name("q"), &name("k"), job).timeout, 4);
        assert_eq!(defaults.resolve(&name("x"), &name("x"), Policy::default()).timeout, 1);
        assert_eq!(bare.on_lost, OnLost::Retry);
    }
}
