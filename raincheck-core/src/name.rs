use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::limits::NAME_BYTES;

/// The name of a queue or a kind: `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`, dotted by convention (`video.compress`). Upper and
/// lower case are different. A Python path, a Ruby class and the name of an SQS queue fit; none needs an escape in a URL.
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
    #[error("may hold only letters of ASCII, digits, '.', '_', ':' and '-'; found {0:?}")]
    Character(char),
    /// Begins with something else than a letter or a digit.
    #[error("must begin with a letter or a digit; found {0:?}")]
    Beginning(char),
}

impl Name {
    /// Checks `text` and makes it a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, None)?;
        Ok(Name(text.into()))
    }

    /// The queue of jobs that name none.
    pub fn default_queue() -> Self {
        Name("default".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Holds `text` to what a name is, but that `wild` may stand anywhere in it.
pub(crate) fn check(text: &str, wild: Option<char>) -> Result<(), NameError> {
    let Some(first) = text.chars().next() else { return Err(NameError::Empty) };
    let may_begin = |c: char| c.is_ascii_alphanumeric() || Some(c) == wild;
    if let Some(bad) = text.chars().find(|c| !may_begin(*c) && !matches!(c, '.' | '_' | ':' | '-')) {
        return Err(NameError::Character(bad));
    }
    if !may_begin(first) {
        return Err(NameError::Beginning(first));
    }
    if text.len() > NAME_BYTES {
        return Err(NameError::TooLong);
    }
    Ok(())
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
        let longest = "k".repeat(128);
        for good in ["default", "video.compress", "x_1-2", "7", "proj.tasks.add", "Mail::Send", "Q_1.fifo", &longest] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "é", "a\0", "a%2f", ".", "..", ".a", "_a", ":a", "-a", "a*", &"k".repeat(129)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert_ne!(Name::new("Video"), Name::new("video"));
    }
}
