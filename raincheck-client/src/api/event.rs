//! Events: what happened to a job, numbered from 1 and without a hole.

use serde::{Deserialize, Deserializer, Serialize};

use super::{RawJson, State};

/// One thing that happened to a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Its number within the job, from 1.
    pub seq: u64,
    /// The job's id.
    pub job: String,
    /// The job's queue.
    pub queue: String,
    /// The job's kind.
    pub kind: String,
    /// `created`, `queued`, `blocked`, `started`, `progress`, `retrying`, `lost`, `released`, `cancel_requested`,
    /// `succeeded`, `failed` or `canceled`.
    #[serde(rename = "type")]
    pub event: String,
    /// The state that the job is in after it.
    pub state: State,
    /// The attempt that it belongs to.
    pub attempt: u32,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Its place in the whole feed, opaque.
    #[serde(deserialize_with = "text_or_number")]
    pub cursor: Option<String>,
    /// The same as a number, which only grows; not of the events of one job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// What the type brings along.
    pub data: Option<RawJson>,
}

/// One JSON answer of an events resource.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventPage {
    /// The events, oldest first.
    pub items: Vec<Event>,
    /// Goes into the next request's `after`; a number for one job, an opaque cursor for the whole feed.
    #[serde(deserialize_with = "text_or_number", alias = "next_cursor")]
    pub next_after: Option<String>,
    /// Whether the final event has been seen.
    pub done: bool,
    /// Whether nothing more was there to read, of the whole feed.
    pub at_head: Option<bool>,
}

/// A job's events are continued by number, the feed's by cursor; the caller need not care.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Text(String),
    }
    Ok(Option::<Form>::deserialize(deserializer)?.map(|form| match form {
        Form::Number(number) => number.to_string(),
        Form::Text(text) => text,
    }))
}
