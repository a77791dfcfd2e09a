//! Where a reader of the feed is to be.

use serde::{Deserialize, Deserializer};

/// Nothing says: where the feed is now.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReaderPut)]
pub struct ReaderBody {
    /// A cursor of the feed, up to which everything is read; `"0"` is its beginning.
    #[serde(default, deserialize_with = "text")]
    #[schema(value_type = String, required = false)]
    pub cursor: Option<String>,
}

/// A `null` is no text: whoever sends it has lost the place, and does not mean to skip everything.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}
