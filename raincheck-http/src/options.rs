//! The options of the server: where it listens, what it accepts, its limits and defaults.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use raincheck_core::{Millis, Name, limits};

use super::hosts::HostPattern;

/// Everything the HTTP side takes from the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Begins every URL that is handed out, without a slash at its end; else the accepted `Host` does.
    pub public_url: Option<String>,
    /// Further accepted values of `Host`. A request with the right token needs none.
    pub hosts: Vec<HostPattern>,
    /// Origins whose pages may call, with a token.
    pub cors_origins: Vec<String>,
    /// Status of `GET /jobs/{id}` for a failed job.
    pub failed_status: u16,
    /// When set, everything but `/livez`, `/readyz`, `/problems/` and `/assets/` requires it as bearer token.
    pub admin_token: Option<String>,
    /// Bounds of what comes in.
    pub limits: Limits,
    /// What is said about kinds.
    pub kinds: Live<HashMap<Name, KindOptions>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 8202)),
            public_url: None,
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            failed_status: 400,
            admin_token: None,
            limits: Limits::default(),
            kinds: Live::default(),
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

/// Whether a client can show this token in a header: it is of visible ASCII, without spaces (RFC 6750 section 2.1 takes even
/// less).
pub fn can_be_shown(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Bounds of what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
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
    /// How long a connection is kept open for a further request, milliseconds.
    pub idle: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
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
            idle: limits::IDLE_MILLIS,
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

impl Limits {
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

/// What the configuration says about a kind to people and tools; its defaults stand beside.
#[derive(Clone, Debug, Default)]
pub struct KindOptions {
    /// For people.
    pub description: Option<String>,
    /// JSON Schema of its input.
    pub input_schema: Option<serde_json::Value>,
}
