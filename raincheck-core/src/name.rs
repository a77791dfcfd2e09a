use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::limits::NAME_BYTES;

/// The name of a queue or a kind: `[a-z0-9._-]{1,64}`, dotted by convention (`video.compress`); not `.` or `..`, which
/// clients take out of a URL before they send it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`NAME_BYTES`].
    #[error("must be at most {NAME_BYTES} characters long")]
    TooLong,
    /// A character outside the charset.
    #[error("may hold only lower-case letters, digits, '.', '_' and '-'; found {0:?}")]
    Character(char),
    /// `.` or `..`.
    #[error("must not be '.' or '..': a URL can't hold it")]
    Dots,
}

impl Name {
    /// Checks `text` and makes it a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')) {
            return Err(NameError::Character(bad));
        }
        if matches!(text, "." | "..") {
            return Err(NameError::Dots);
        }
        if text.len() > NAME_BYTES {
            return Err(NameError::TooLong);
        }
        Ok(Name(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charset_and_length_hold() {
        for good in ["default", "video.compress", "a", "x_1-2", "...", ".a", &"k".repeat(64)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "Video", "a b", "a/b", "é", "a\0", "..%2f", ".", "..", &"k".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
