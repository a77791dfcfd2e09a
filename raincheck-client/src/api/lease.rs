//! The worker's half of the contract: lease, heartbeat, finish.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{Job, Problem, Progress, RawJson, State, WireDuration};

/// The server cuts longer ones; in bytes.
const KIND_MAX: usize = 256;
const TITLE_MAX: usize = 1_024;
const DETAIL_MAX: usize = 64 * 1_024;

/// Asks for work, and hands in what is finished on the way.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LeaseRequest {
    /// Which worker asks, by what it says of itself.
    pub worker: WorkerName,
    /// From which queues; empty means all that the token may see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
    /// Which kinds; `*` stands for any run of characters (`shop.*`). Empty means any kind in the queues, which must be named
    /// then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// How many at most, 0 to 1,000.
    pub max: u32,
    /// How long the server may hold the request while there is none, at most 45 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<WireDuration>,
    /// How long a lease lasts without a heartbeat, 2 s to 24 h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<WireDuration>,
    /// The same id again returns the same leases: for answers that got lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Runs that ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finish: Vec<Finish>,
}

/// Who a worker says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerName {
    /// Shown to operators; need not be unique.
    pub name: String,
    /// Of the worker's own program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it can take no jobs now; goes with a `max` of 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a lease request is answered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LeaseAnswer {
    /// The work.
    pub leases: Vec<Lease>,
    /// One for each member of `finish`.
    pub finished: Vec<Finished>,
    /// The server is about to stop and hands out no more.
    pub drain: bool,
}

/// One run of one job, bound to its attempt. The lease string is a secret: it is the right to finish the job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Lease {
    /// The right itself.
    pub lease: String,
    /// The job, with its input or where that is.
    pub job: Job,
    /// Which run of the job this is, from 1.
    pub attempt: u32,
    /// Seconds until it is lost without a heartbeat.
    pub ttl_seconds: f64,
    /// Seconds between heartbeats.
    pub heartbeat_seconds: f64,
    /// W3C trace context of the submit.
    pub traceparent: Option<String>,
    /// What tracing systems say beside it.
    pub tracestate: Option<String>,
    /// How much the server takes of what the run writes.
    pub limits: LeaseLimits,
}

/// How much the server takes of what a run writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LeaseLimits {
    /// Largest result, in bytes.
    pub result_bytes: u64,
    /// Largest stream, in bytes.
    pub stream_bytes: u64,
    /// Largest log of the job so far, all its runs together, in bytes.
    pub log_bytes: u64,
}

/// What a server that does not say so takes.
impl Default for LeaseLimits {
    fn default() -> Self {
        Self { result_bytes: 1 << 30, stream_bytes: 64 << 20, log_bytes: 8 << 20 }
    }
}

impl Lease {
    /// The pause between heartbeats: what the server says, else a third of the ttl.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        let seconds = if self.heartbeat_seconds > 0.0 { self.heartbeat_seconds } else { self.ttl_seconds / 3.0 };
        Duration::from_secs_f64(seconds.clamp(0.1, 86_400.0))
    }
}

/// How far a stream or log is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Appended {
    /// Bytes of this run.
    pub offset: u64,
    /// How many more are taken, when that was asked for.
    pub room: Option<u64>,
}

/// The end of a run, as a member of a lease request.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Which run.
    pub lease: String,
    /// How it ended.
    pub action: FinishAction,
}

/// By hand, because serde's `flatten` goes through a buffer that loses raw JSON.
impl Serialize for Finish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("lease", &self.lease)?;
        match &self.action {
            FinishAction::Complete { result: Some(result) } => {
                map.serialize_entry("complete", &BTreeMap::from([("result", result)]))?;
            }
            FinishAction::Complete { result: None } => {
                map.serialize_entry("complete", &BTreeMap::<&str, ()>::new())?;
            }
            FinishAction::Fail(failure) => map.serialize_entry("fail", failure)?,
            FinishAction::Release { delay } => {
                map.serialize_entry(
                    "release",
                    &delay.iter().map(|delay| ("delay", delay)).collect::<BTreeMap<_, _>>(),
                )?;
            }
        }
        map.end()
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum FinishAction {
    /// It succeeded; a JSON result may ride along.
    Complete {
        /// The result, absent for none.
        result: Option<RawJson>,
    },
    /// It failed.
    Fail(Failure),
    /// It is given back, uncounted.
    Release {
        /// Not again before so long from now.
        delay: Option<WireDuration>,
    },
}

/// A failed run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Failure {
    /// Why.
    pub error: FailureError,
    /// Whether another attempt may help.
    pub retryable: bool,
    /// Overrides the job's own pause before the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<WireDuration>,
}

impl Failure {
    /// What the server takes of it: a failure must be recorded, however much its program said.
    pub(crate) fn acceptable(self) -> Self {
        let cut = |text: Option<String>, most| {
            text.map(|mut text| {
                text.truncate(text.floor_char_boundary(most));
                text
            })
        };
        let FailureError { kind, title, detail } = self.error;
        let error =
            FailureError { kind: cut(kind, KIND_MAX), title: cut(title, TITLE_MAX), detail: cut(detail, DETAIL_MAX) };
        Self { error, retry_after: self.retry_after.map(WireDuration::acceptable), ..self }
    }
}

/// Why a run failed, in the words of RFC 9457.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureError {
    /// A word or URI for programs.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// One line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of one finish: a state, or a problem.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Finished {
    /// Which run.
    pub lease: String,
    /// The job's state after it.
    pub state: Option<State>,
    /// Why it was refused.
    pub problem: Option<Problem>,
}

/// A sign of life.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Heartbeat {
    /// Which run; left out when the URL says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lease: String,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The lease lasts so long from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<WireDuration>,
}

/// What a heartbeat is answered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeartbeatAnswer {
    /// Which run, when many were asked for.
    pub lease: String,
    /// Seconds until it is lost without another.
    pub ttl_seconds: f64,
    /// Whether the run should stop.
    pub cancel_requested: bool,
    /// Why it was refused, when many were asked for.
    pub problem: Option<Problem>,
}
