//! What the server answers, as far as it is looked at.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words of the API")]
pub enum State {
    Scheduled,
    Queued,
    Blocked,
    Running,
    Succeeded,
    Failed,
    Canceled,
}

impl State {
    /// Final states are never left.
    pub fn is_final(self) -> bool {
        matches!(self, State::Succeeded | State::Failed | State::Canceled)
    }
}

/// What happened to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words of the API")]
pub enum What {
    Created,
    Queued,
    Blocked,
    Started,
    Progress,
    Retrying,
    Lost,
    Released,
    CancelRequested,
    Succeeded,
    Failed,
    Canceled,
}

/// A job.
#[derive(Debug, Deserialize)]
pub struct Job {
    pub id: Uuid,
    pub kind: String,
    pub queue: String,
    pub label: Option<String>,
    pub key: Option<String>,
    pub state: State,
    pub attempt: u32,
    pub seq: u32,
    pub input: Option<Box<RawValue>>,
    pub result: Option<JobResult>,
}

/// What a job came to.
#[derive(Debug, Deserialize)]
pub struct JobResult {
    pub value: Option<Box<RawValue>>,
}

/// A page of jobs.
#[derive(Debug, Deserialize)]
pub struct Jobs {
    pub items: Vec<Job>,
    pub next_cursor: Option<String>,
}

/// The jobs of a batch.
#[derive(Debug, Deserialize)]
pub struct Batch {
    pub jobs: Vec<Job>,
}

/// An event.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    pub seq: u32,
    pub job: Uuid,
    pub queue: String,
    #[serde(rename = "type")]
    pub what: What,
    pub state: State,
    pub attempt: u32,
    pub cursor: String,
    #[serde(default)]
    pub data: EventData,
}

/// What an event says besides.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EventData {
    pub problem: Option<Problem>,
}

/// A page of the feed.
#[derive(Debug, Deserialize)]
pub struct Events {
    pub items: Vec<Event>,
    pub next_after: String,
}

/// The answer to a request for work.
#[derive(Debug, Deserialize)]
pub struct Leases {
    pub leases: Vec<Leased>,
    pub finished: Vec<Finished>,
    /// The server is about to stop.
    #[serde(default)]
    pub drain: bool,
}

/// A job handed out.
#[derive(Debug, Deserialize)]
pub struct Leased {
    pub lease: String,
    pub job: Job,
    pub attempt: u32,
}

/// What became of an end.
#[derive(Debug, Deserialize)]
pub struct Finished {
    pub state: Option<State>,
    pub problem: Option<Problem>,
}

/// Why not.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
}

impl Problem {
    /// The last part of its type.
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }
}

/// The kept statistics of a queue.
#[derive(Clone, Debug, Deserialize)]
pub struct Queue {
    pub name: String,
    pub max_queued: u64,
    pub concurrency: Option<u64>,
    pub scheduled: u64,
    pub queued: u64,
    pub blocked: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub canceled: u64,
}

/// All queues.
#[derive(Debug, Deserialize)]
pub struct Queues {
    pub items: Vec<Queue>,
}
