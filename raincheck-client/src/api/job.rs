//! A job, as every answer shows it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Problem, RawJson};

/// The longest message of a progress report; in bytes.
const MESSAGE_MAX: usize = 1024;
/// The largest `data` of a progress report; in bytes.
const DATA_MAX: usize = 4 * 1024;

/// One job. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// UUID version 7, or the one that the client chose.
    pub id: String,
    /// Names the work.
    pub kind: String,
    /// For people: whose, which.
    pub label: Option<String>,
    /// `POST` or `GET`.
    pub method: String,
    /// Where it waits.
    pub queue: String,
    /// Where it stands.
    pub state: State,
    /// Whether the state is final.
    pub done: bool,
    /// Whether someone asked a running job to stop.
    pub cancel_requested: bool,
    /// `time`, `slot`, `jobs`, `paused` or `no worker`; absent when it waits for nothing.
    pub waiting_for: Option<String>,
    /// Why it waits, in words, where there is more to say.
    pub waiting_detail: Option<String>,
    /// Higher goes first, within limits.
    pub priority: i64,
    /// How often it was leased.
    pub attempt: u32,
    /// How often a run failed.
    pub failures: u32,
    /// After so many failures it is failed.
    pub max_attempts: u32,
    /// Number of its latest event.
    pub seq: u64,
    /// It was purged, and there is no more to say of it than its id and its handle; in the answer to a batch that was taken
    /// before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub purged: bool,
    /// The latest the run said about itself.
    pub progress: Option<Progress>,
    /// Approximate place in its queue, from 1.
    pub position: Option<u64>,
    /// Approximate time to its end, in seconds.
    pub eta_seconds: Option<f64>,
    /// When it was submitted.
    pub created_at: Option<String>,
    /// When it may start.
    pub run_at: Option<String>,
    /// When the latest run started.
    pub started_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// When it became final.
    pub finished_at: Option<String>,
    /// When retention removes it.
    pub expires_at: Option<String>,
    /// What a success left.
    pub result: Option<JobResult>,
    /// Why it failed.
    pub error: Option<Problem>,
    /// Why the run before failed, while it is tried again.
    pub last_error: Option<Problem>,
    /// Free facts to find it by.
    pub tags: BTreeMap<String, String>,
    /// Its idempotency key.
    pub key: Option<String>,
    /// The job that this one runs again.
    pub rerun_of: Option<String>,
    /// How many callers share it.
    pub shared: u32,
    /// Where the rest of it is.
    pub links: Links,
    /// The input's text, when it was asked for or comes with a lease, and is JSON and small.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<RawJson>,
    /// Where a large or binary input is, in a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_href: Option<String>,
    /// Media type of the input, where the server says it.
    #[serde(skip_serializing_if = "Option::is_none", alias = "input_content_type", alias = "input_type")]
    pub content_type: Option<String>,
}

/// Where a job stands. The last three are final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not before its `run_at`.
    Scheduled,
    /// Waits for a slot or for another job.
    Blocked,
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Done, with a result.
    Succeeded,
    /// Done, without.
    Failed,
    /// Stopped before its end.
    Canceled,
    /// A state that this version of the client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl State {
    /// Whether it is never left again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Blocked => "blocked",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far a run is. Everything is optional; `data` is at most 4 KiB.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// Units done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<f64>,
    /// Units in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// A word for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Anything else, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
}

impl Progress {
    /// So many percent, and a word for people when it is not empty.
    #[must_use]
    pub fn percent(percent: f64, message: impl Into<String>) -> Self {
        let message = Some(message.into()).filter(|message| !message.is_empty());
        Self { percent: Some(percent), message, ..Self::default() }
    }

    /// What the server takes of it: it refuses numbers out of range and `data` over 4 KiB.
    pub(crate) fn acceptable(self) -> Self {
        let units = |units: Option<f64>| units.filter(|units| units.is_finite() && *units >= 0.0);
        Self {
            percent: self.percent.filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0)),
            current: units(self.current),
            total: units(self.total),
            message: self.message.map(|mut message| {
                message.truncate(message.floor_char_boundary(MESSAGE_MAX));
                message
            }),
            data: self.data.filter(|data| data.get().len() <= DATA_MAX),
        }
    }

    /// About how large it is in a request.
    pub(crate) fn bytes(&self) -> usize {
        self.message.as_ref().map_or(0, String::len) + self.data.as_ref().map_or(0, |data| data.get().len())
    }
}

/// What a success left; the bytes are at `href`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobResult {
    /// Where the bytes are.
    pub href: Option<String>,
    /// Their media type, as the worker said.
    pub content_type: Option<String>,
    /// A name to save them under.
    pub filename: Option<String>,
    /// How many bytes.
    pub size: Option<u64>,
    /// JSON up to 64 KiB, inline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<RawJson>,
}

/// The job's other resources, as absolute or relative URLs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "each is the resource of its name")]
pub struct Links {
    #[serde(rename = "self", skip_serializing_if = "Option::is_none")]
    pub this: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerun: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<String>,
}
