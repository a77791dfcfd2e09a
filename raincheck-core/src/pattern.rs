use std::fmt;
use std::sync::Arc;

use crate::name::{Name, NameError, check};

/// A name with `*` in it, which stands for any run of characters, also for none, and may stand anywhere: `shop.*`,
/// `*.email`, `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Whether a text is a pattern rather than a name.
    pub fn is_meant(text: &str) -> bool {
        text.contains('*')
    }

    /// Checks `text` and makes it a pattern: what is not `*` is held to what a [`Name`] is. Without one it matches the
    /// name that it is.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, Some('*'))?;
        Ok(Pattern(text.into()))
    }

    /// Whether it matches every name.
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether the pattern matches the whole name. Takes time in proportion to both, whatever they are: what stands
    /// between two `*` is looked for once, from the left, for a later place would leave less room for the rest.
    pub fn matches(&self, name: &Name) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return *self.0 == *name.as_str() };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let inner = name.as_str().strip_prefix(first).and_then(|inner| inner.strip_suffix(last));
        let Some(mut left) = inner else { return false };
        for piece in middle.split('*') {
            let Some(at) = left.find(piece) else { return false };
            left = &left[at + piece.len()..];
        }
        true
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
