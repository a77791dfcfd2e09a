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
    /// Some of them were removed: it can't go on from where it is.
    #[serde(default)]
    pub expired: bool,
    /// When it was last moved.
    #[serde(default)]
    pub updated_at: String,
    /// Its version: another one each time it is moved. Lists don't tell.
    #[serde(skip)]
    pub etag: String,
}
