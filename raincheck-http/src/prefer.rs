//! The `Prefer` header (RFC 7240): how long a caller is ready to wait.

use http::header::{HeaderMap, HeaderName};
use raincheck_core::Millis;

static PREFER: HeaderName = HeaderName::from_static("prefer");

/// The seconds of the first `wait` preference, in milliseconds; anything malformed is ignored, as the RFC asks.
pub fn wait(headers: &HeaderMap) -> Option<Millis> {
    let lines = headers.get_all(&PREFER).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(preferences).find_map(|(name, value)| {
        if !name.eq_ignore_ascii_case("wait") || value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // A number too large to hold is a long wait all the same.
        Some(value.parse::<Millis>().unwrap_or(Millis::MAX).saturating_mul(1_000))
    })
}

/// Name and value of each preference in a line; parameters after `;` are left out.
fn preferences(line: &str) -> impl Iterator<Item = (&str, &str)> {
    split_outside_quotes(line, b',').map(|preference| {
        let head = split_outside_quotes(preference, b';').next().unwrap_or_default();
        let (name, value) = head.split_once('=').unwrap_or((head, ""));
        (name.trim(), value.trim().trim_matches('"'))
    })
}

/// The pieces of `text` between separators that stand outside quoted strings.
pub fn split_outside_quotes(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            let ends = byte == separator && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && quoted && !escaped;
            ends
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(end.map_or(text, |end| &text[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (lines, expected) in [
            (&["wait=10"][..], Some(10_000)),
            (&["respond-async, wait=10"], Some(10_000)),
            (&["respond-async", "WAIT = \"7\""], Some(7_000)),
            (&["foo=\"a, wait=3\"; bar=\"x;\\\"y\", wait=4;z=1"], Some(4_000)),
            (&["wait=1, wait=2"], Some(1_000)),
            (&["wait=-1"], None),
            (&["wait"], None),
            (&["wait=1.5"], None),
            (&["wait=99999999999999999999"], Some(i64::MAX)),
            (&["waiting=5"], None),
            (&[""], None),
            (&["\"wait=5"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("prefer", line.parse().unwrap());
            }
            assert_eq!(wait(&headers), expected, "{lines:?}");
        }
    }
}
