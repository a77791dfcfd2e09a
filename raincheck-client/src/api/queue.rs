//! A queue: its settings, and what is in it now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One queue.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether nothing is leased from it.
    pub paused: bool,
    /// How many jobs may wait in it.
    pub max_queued: Option<u64>,
    /// How many of its jobs may run at once.
    pub concurrency: Option<u32>,
    /// How many of its jobs may start in a time, for example `10/s`.
    pub rate: Option<String>,
    /// Everything else: the live statistics, and settings that this version does not know.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// Changes a queue. Absent members stay; `Some(None)` takes the limit away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(clippy::option_option, reason = "absent and null are two things in a merge patch")]
pub struct QueuePatch {
    /// Stop or go on leasing from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// How many jobs may wait in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<Option<u64>>,
    /// How many of its jobs may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Option<u32>>,
    /// How many of its jobs may start in a time, for example `10/s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Option<String>>,
}
