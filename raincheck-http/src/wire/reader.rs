//! Where a reader of the feed is to be.

use std::borrow::Cow;

use serde::Deserialize;

/// Nothing says: where the feed is now.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReaderPut)]
pub struct ReaderBody<'a> {
    /// A cursor of the feed, up to which everything is read; `"0"` is its beginning.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>)]
    pub cursor: Option<Cow<'a, str>>,
}
