//! Everything that can go wrong between this crate and a server.

use std::time::Duration;

use crate::api::{Problem, WireDuration};

/// Whether the very same request may be answered otherwise later.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The slug of the problem that says so.
pub(crate) const PAYLOAD_LOST: &str = "payload-lost";

/// Why a request did not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered, and refused.
    #[error("{problem} (HTTP {status})")]
    Problem {
        /// The HTTP status.
        status: u16,
        /// What it said.
        problem: Box<Problem>,
        /// When it may be tried again, by its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No answer: nobody listens, or the connection broke. What was asked for may have happened all the same.
    #[error("{} {url}", how(.source))]
    Unreachable {
        /// Which address.
        url: String,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is not of the contract; probably not a Raincheck server.
    #[error("unexpected answer from {url}: {detail}")]
    Unexpected {
        /// Which address.
        url: String,
        /// What was wrong with it.
        detail: String,
    },
    /// The job is not done yet, so it has no result.
    #[error("job {0} is not done yet")]
    NotDone(String),
    /// The time that the caller gave is over, or the server took a request and stayed silent.
    #[error("not done within {}", WireDuration(*.0))]
    TimedOut(Duration),
    /// The base URL or the token cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// Reading what is sent, or writing what is received, failed on this side.
    #[error("{context}")]
    Io {
        /// What was being done.
        context: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The worker was told to stop, and the server could not be told how so many runs ended.
    #[error("the server could not be told how {0} runs ended; they are run again when their leases are over")]
    Untold(usize),
    /// A value cannot be written as JSON.
    #[error("cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// How a connection went wrong.
fn how(source: &reqwest::Error) -> &'static str {
    if source.is_connect() {
        "cannot reach the server at"
    } else if source.is_decode() || source.is_body() {
        "the answer broke off, of"
    } else {
        "the connection broke before the answer of"
    }
}

impl Error {
    /// Whether it leaves open if what was asked for was done: the request may have been taken, and no answer came.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !source.is_connect(),
            Self::TimedOut(_) => true,
            _ => false,
        }
    }

    /// Whether an answer had begun, and did not come to its end.
    pub(crate) fn broke_off(&self) -> bool {
        matches!(self, Self::Unreachable { source, .. } if !source.is_connect() && (source.is_decode() || source.is_body()))
    }

    /// The slug of the problem, when the server refused: `not-found`, `lease-lost`, …
    #[must_use]
    pub fn slug(&self) -> Option<&str> {
        match self {
            Self::Problem { problem, .. } => Some(problem.slug()),
            _ => None,
        }
    }

    /// The HTTP status, when the server refused.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the very same request may succeed later: no connection, overload, or a server that goes away.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut(_) => true,
            Self::Problem { status, .. } => is_transient(*status),
            _ => false,
        }
    }

    /// Whether it says that a lease is over: the run must stop.
    #[must_use]
    pub fn is_lease_lost(&self) -> bool {
        self.slug() == Some("lease-lost")
    }

    /// Whether it says that the bytes asked for are lost for good: no worker can have them.
    #[must_use]
    pub fn is_payload_lost(&self) -> bool {
        self.slug() == Some(PAYLOAD_LOST)
    }

    /// Whether what it kept from being done would go well elsewhere or later: no server, a token that it does not take,
    /// a disk that is full.
    pub(crate) fn is_own_trouble(&self) -> bool {
        match self {
            Self::Unexpected { .. } | Self::Configuration(_) | Self::Io { .. } => true,
            Self::Problem { status, .. } => matches!(status, 401 | 403) || self.is_transient(),
            other => other.is_transient(),
        }
    }

    /// With everything that led to it.
    pub(crate) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }

    /// When the server says to come again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { context: context.into(), source }
    }
}

impl raincheck_worker::TransportError for Error {
    fn is_transient(&self) -> bool {
        self.is_transient()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }
}
