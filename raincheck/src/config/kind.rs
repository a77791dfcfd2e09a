//! `[queues.NAME]` and `[kinds."NAME"]`: what the file says of one queue or kind.

use serde::{Deserialize, Serialize};

use super::{
    Period,
    defaults::{JobDefaults, OnLost, Retention, Retry},
};

/// A queue that the file owns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// Most jobs of it running at once, on all nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Most jobs waiting in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<u64>,
    /// The longest that one run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// How a failed run is tried again.
    pub retry: Retry,
    /// How long a job is kept when done.
    pub retention: Retention,
    /// What a lost run means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// Losses in a row after which a job is failed; 0 counts each as a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_losses: Option<u32>,
}

impl Queue {
    /// What its jobs get that do not say otherwise.
    pub fn defaults(&self) -> JobDefaults {
        JobDefaults {
            timeout: self.timeout,
            retry: self.retry.clone(),
            retention: self.retention.clone(),
            on_lost: self.on_lost,
            max_losses: self.max_losses,
        }
    }
}

/// A kind that the file knows. With `run` it is served by a built-in worker, without it workers lease it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kind {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its jobs wait unless they say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Whether its jobs may be repeated, unless they say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// File with the JSON Schema of its input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<String>,
    /// The longest that one run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// How a failed run is tried again.
    pub retry: Retry,
    /// How long a job is kept when done.
    pub retention: Retention,
    /// What a lost run means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// Losses in a row after which a job is failed; 0 counts each as a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_losses: Option<u32>,
    /// Most jobs of it running at once, on all nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Program and arguments that run a job; never through a shell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// Variables of the server's environment that the program gets beside the usual ones; `NAME*` for all that begin so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// How many run at once on this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// One warm process a worker takes job after job as JSON lines.
    #[serde(skip_serializing_if = "is_false")]
    pub keep: bool,
    /// Standard output is the stream, live, and not the result.
    #[serde(skip_serializing_if = "is_false")]
    pub stream: bool,
    /// Media type of the stream; plain text if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Exit codes that mean "try again"; 75 always does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry_exit_codes: Vec<i32>,
}

impl Kind {
    /// What its jobs get that do not say otherwise.
    pub fn defaults(&self) -> JobDefaults {
        JobDefaults {
            timeout: self.timeout,
            retry: self.retry.clone(),
            retention: self.retention.clone(),
            on_lost: self.on_lost,
            max_losses: self.max_losses,
        }
    }
}

/// Whether a job may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Safe and repeatable.
    Get,
    /// Changes state.
    Post,
}

fn is_false(yes: &bool) -> bool {
    !*yes
}
