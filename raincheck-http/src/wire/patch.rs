//! A change of a queue.

use raincheck_core::QueuePatch;
use serde::{Deserialize, Deserializer};

/// Absent members stay; `null` goes back to the default.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QueuePatch)]
pub struct QueuePatchBody {
    /// While true nothing is leased from it; submits go on.
    paused: Option<bool>,
    /// Most jobs that may wait in it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>)]
    max_queued: Option<Option<u64>>,
    /// Most of its jobs that run at once, on all nodes.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    concurrency: Option<Option<u32>>,
}

impl QueuePatchBody {
    /// Whether it says something about limits.
    pub fn limits(&self) -> bool {
        self.max_queued.is_some() || self.concurrency.is_some()
    }
}

impl From<QueuePatchBody> for QueuePatch {
    fn from(body: QueuePatchBody) -> Self {
        let QueuePatchBody { paused, max_queued, concurrency } = body;
        QueuePatch { paused, max_queued, concurrency, expected: None }
    }
}

fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
