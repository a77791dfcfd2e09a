//! An RFC 9457 problem, the only shape in which anything goes wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was refused, or why a job failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// A URI whose last segment is the slug, for example `…/problems/lease-lost`; a failed run may name its own.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The HTTP status it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The request that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What a validation found, member by member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
}

/// One member that did not pass validation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Violation {
    /// JSON pointer to the member.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// The last segment of its type: `lease-lost`, `queue-full`, …
    #[must_use]
    pub fn slug(&self) -> &str {
        self.kind.rsplit(['/', '#', ':']).next().unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title.as_deref().filter(|title| !title.is_empty()).unwrap_or_else(|| self.slug());
        f.write_str(title)?;
        if let Some(detail) = self.detail.as_deref().filter(|detail| *detail != title) {
            write!(f, ": {detail}")?;
        }
        for violation in &self.errors {
            write!(f, "; {}: {}", violation.pointer, violation.detail)?;
        }
        Ok(())
    }
}
