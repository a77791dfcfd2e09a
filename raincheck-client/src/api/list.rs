//! Lists: keyset pages and what selects them.

use serde::{Deserialize, Serialize};

use super::Job;

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// What it holds.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
    /// Where the next one starts; absent on the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// Whether a search ran out of time before it had looked everywhere.
    #[serde(default)]
    pub partial: bool,
}

/// One page of jobs.
pub type JobPage = Page<Job>;

/// Selects jobs; empty selects all that the token may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// In one of these states: `failed`, `running`, …
    pub states: Vec<String>,
    /// Of this queue, or of those that a pattern matches (`shop.*`); several with commas between them.
    pub queue: Option<String>,
    /// Of this kind, or of those that a pattern matches; several with commas between them.
    pub kind: Option<String>,
    /// With this idempotency key.
    pub key: Option<String>,
    /// With all of these tags.
    pub tags: Vec<(String, String)>,
    /// Submitted after this RFC 3339 time.
    pub created_after: Option<String>,
    /// Text to look for, newest first.
    pub search: Option<String>,
    /// Jobs a page.
    pub limit: Option<u32>,
    /// [`Page::next_cursor`] of the page before.
    pub cursor: Option<String>,
}

impl ListFilter {
    /// As the query of `GET /jobs`.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let mut query: Vec<(String, String)> = Vec::new();
        if !self.states.is_empty() {
            query.push(("state".into(), self.states.join(",")));
        }
        let members = [
            ("queue", &self.queue),
            ("kind", &self.kind),
            ("key", &self.key),
            ("created_after", &self.created_after),
            ("q", &self.search),
            ("cursor", &self.cursor),
        ];
        for (name, value) in members {
            query.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
        }
        query.extend(self.tags.iter().map(|(name, value)| (format!("tag.{name}"), value.clone())));
        query.extend(self.limit.iter().map(|limit| ("limit".to_owned(), limit.to_string())));
        query
    }
}
