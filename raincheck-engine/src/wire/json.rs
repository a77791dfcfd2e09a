//! Writes JSON straight into one buffer: no tree, no intermediate strings.

use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
use raincheck_core::Timestamp;

use super::base::BaseUrl;

/// The name of a member that is not the first of its object; the rest is as with [`Json::key`].
macro_rules! member {
    ($out:expr, $name:literal) => {
        $out.after_comma(concat!(",\"", $name, "\":"))
    };
}
pub(super) use member;

/// A JSON text being written. Commas take care of themselves.
#[derive(Debug, Default)]
pub struct Json {
    out: Vec<u8>,
}

impl Json {
    /// An empty text with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Json { out: Vec::with_capacity(bytes) }
    }

    /// What was written.
    pub fn into_bytes(self) -> Bytes {
        self.out.into()
    }

    /// What was written, still to be changed.
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }

    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.out.push(b',');
        }
    }

    /// Begins an object.
    pub fn begin(&mut self) {
        self.separate();
        self.out.push(b'{');
    }

    /// A URL: `base` and a path, in pieces that need no escaping. Answers where it stands, for [`Json::below`].
    pub fn url(&mut self, base: BaseUrl<'_>, path: &[&str]) -> Range<usize> {
        self.out.push(b'"');
        let begin = self.out.len();
        self.out.extend_from_slice(base.scheme.as_bytes());
        self.out.extend_from_slice(base.rest);
        for piece in path {
            self.out.extend_from_slice(piece.as_bytes());
        }
        let url = begin..self.out.len();
        self.out.push(b'"');
        url
    }

    /// A URL that begins with one written before.
    pub fn below(&mut self, url: &Range<usize>, path: &str) {
        self.out.push(b'"');
        self.out.extend_from_within(url.clone());
        self.out.extend_from_slice(path.as_bytes());
        self.out.push(b'"');
    }

    /// Ends an object.
    pub fn end(&mut self) {
        self.out.push(b'}');
    }

    /// A member's name, which must need no escaping; its value follows.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    /// A member's name as text between a comma and a colon, for [`member`]. Such a piece of a known length is copied
    /// in place, without a call.
    #[inline(always)]
    pub(super) fn after_comma(&mut self, piece: &'static str) -> &mut Self {
        self.out.extend_from_slice(piece.as_bytes());
        self
    }

    /// A string that is known to need no escapes: a name, a word of ours, an id.
    #[inline]
    pub fn word(&mut self, word: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A member's name from outside.
    pub fn foreign_key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.text(name);
        self.out.push(b':');
        self
    }

    /// JSON text as it is.
    pub fn raw(&mut self, text: &[u8]) -> &mut Self {
        self.out.extend_from_slice(text);
        self
    }

    /// Members as they are: JSON text as between the braces of an object.
    pub fn members(&mut self, members: &[u8]) {
        if !members.is_empty() {
            self.separate();
            self.out.extend_from_slice(members);
        }
    }

    /// `null`.
    pub fn null(&mut self) {
        self.raw(b"null");
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        let plain = text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\');
        if plain {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else if serde_json::to_writer(&mut self.out, text).is_err() {
            // Writing to memory does not fail.
            self.null();
        }
    }

    /// A string or `null`.
    pub fn maybe_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// Anything that displays as text without a need for escapes: an id.
    pub fn plain(&mut self, value: impl std::fmt::Display) {
        let _ = write!(self.out, "\"{value}\"");
    }

    /// A whole number.
    pub fn number(&mut self, number: impl itoa::Integer) {
        let mut buffer = itoa::Buffer::new();
        self.out.extend_from_slice(buffer.format(number).as_bytes());
    }

    /// A whole number or `null`.
    pub fn maybe_number(&mut self, number: Option<impl itoa::Integer>) {
        match number {
            Some(number) => self.number(number),
            None => self.null(),
        }
    }

    /// A number; what JSON cannot hold becomes `null`.
    pub fn float(&mut self, number: f64) {
        if number.is_finite() {
            let _ = write!(self.out, "{number}");
        } else {
            self.null();
        }
    }

    /// A number to three decimals, or `null`.
    pub fn maybe_float(&mut self, number: Option<f64>) {
        match number {
            Some(number) => self.float((number * 1_000.0).round() / 1_000.0),
            None => self.null(),
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    /// A point in time, RFC 3339 in UTC with milliseconds.
    pub fn time(&mut self, at: Timestamp) {
        super::time::write(&mut self.out, at);
    }

    /// A point in time or `null`.
    pub fn maybe_time(&mut self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.time(at),
            None => self.null(),
        }
    }

    /// Milliseconds as a number of seconds.
    pub fn seconds(&mut self, millis: i64) {
        if millis % 1_000 == 0 { self.number(millis / 1_000) } else { self.float(millis as f64 / 1_000.0) }
    }

    /// An array, one element each.
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Json, T)) {
        self.out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            each(self, item);
        }
        self.out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let mut out = Json::default();
        out.begin();
        out.key("a").text("x\"\\\u{0}\n é");
        out.key("b").list([1, 2], |out, n| out.number(n));
        out.key("c").list(["x"], |out, text| {
            out.begin();
            out.key("t").text(text);
            out.key("n").maybe_number(None::<u8>);
            out.end();
        });
        out.key("f").float(f64::NAN);
        out.members(b"\"g\":1");
        out.foreign_key("h\"").seconds(1_500);
        out.end();
        let text = String::from_utf8(out.into_vec()).unwrap();
        assert_eq!(
            text,
            "{\"a\":\"x\\\"\\\\\\u0000\\n é\",\"b\":[1,2],\"c\":[{\"t\":\"x\",\"n\":null}],\"f\":null,\"g\":1,\"h\\\"\":1.5}"
        );
    }
}
