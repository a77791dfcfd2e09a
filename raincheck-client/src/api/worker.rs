//! Who serves what: workers and kinds, as operators see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A worker that asked for leases lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerInfo {
    /// What it calls itself.
    pub name: String,
    /// Of its program.
    pub version: Option<String>,
    /// Where it takes work from.
    pub queues: Vec<String>,
    /// What it can do.
    pub kinds: Vec<String>,
    /// Why it can take no jobs now.
    pub trouble: Option<String>,
    /// Everything else that the server knows of it.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// A kind of job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kind {
    /// Its name.
    #[serde(alias = "name")]
    pub kind: String,
    /// For people.
    pub description: Option<String>,
    /// JSON Schema of its input.
    pub input_schema: Option<serde_json::Value>,
    /// Everything else: typical duration, who serves it.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}
