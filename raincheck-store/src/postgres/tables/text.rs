//! Texts that somebody outside chose, as columns of PostgreSQL can hold them: without zero characters.

use std::borrow::Cow;

/// A text that somebody outside chose, as a column of PostgreSQL can hold it: without zero characters.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        text.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0").into()
    } else {
        text.into()
    }
}

/// [`escaped`], of what may be absent.
pub(crate) fn escaped_if(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(escaped)
}

/// What [`escaped`] was given.
pub(crate) fn plain(text: &str) -> Box<str> {
    if text.contains('\u{1}') { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_characters_come_back() {
        for text in ["", "plain", "a\0b", "\u{1}0", "\u{1}\0\u{1}1", "\0\0", "\u{1}\u{1}0"] {
            let kept = escaped(text);
            assert!(!kept.contains('\0'));
            assert_eq!(&*plain(&kept), text);
        }
    }
}
