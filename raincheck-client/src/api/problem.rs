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
        let detail = self.detail.as_deref().filter(|detail| *detail != title);
        if let Some(detail) = detail {
            write!(f, ": {detail}")?;
        }
        // A detail that is of one member alone says all of it.
        let is_said = |violation: &&Violation| detail.is_some_and(|detail| detail.contains(&violation.detail));
        for violation in self.errors.iter().filter(|violation| !is_said(violation)) {
            write!(f, "; {}: {}", violation.pointer, violation.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let problem = |detail: &str| {
            let violation = |pointer: &str, detail: &str| Violation { pointer: pointer.into(), detail: detail.into() };
            let errors = vec![violation("?state", "must be a state"), violation("/b", "is missing")];
            let problem =
                Problem { title: Some("No".into()), detail: Some(detail.into()), errors, ..Problem::default() };
            problem.to_string()
        };
        assert_eq!(problem("state must be a state"), "No: state must be a state; /b: is missing");
        assert_eq!(problem("two"), "No: two; ?state: must be a state; /b: is missing");
        assert_eq!(problem("No"), "No; ?state: must be a state; /b: is missing");
    }
}
