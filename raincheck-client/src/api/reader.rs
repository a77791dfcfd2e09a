//! A named reader of the whole feed.

use serde::{Deserialize, Serialize};

/// One reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// Everything up to here is read.
    pub cursor: String,
    /// Events behind it, at most.
    #[serde(default)]
    pub lag_events: u64,
    /// For how long the first of them has been there.
    #[serde(default)]
    pub lag_seconds: u64,
    /// When it was last moved.
    #[serde(default)]
    pub updated_at: String,
}
