//! The `Idempotency-Key` header: a quoted string (RFC 8941 section 3.3.3) or the bare text that most clients send.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName};
use raincheck_core::limits::KEY_BYTES;

use crate::problem::{self, Problem};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of the request, when it has one.
pub fn of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut lines = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(bad("the header is there twice"));
    }
    let Ok(text) = line.to_str() else { return Err(bad("use printable ASCII")) };
    let text = text.trim();
    let key = if text.starts_with('"') {
        unquote(text).ok_or_else(|| bad("the quoted string is broken"))?
    } else {
        text.to_owned()
    };
    match key.len() {
        0 => Err(bad("it is empty")),
        1..=KEY_BYTES => Ok(Some(key)),
        _ => Err(bad("it is longer than 255 characters")),
    }
}

/// The header's key and the body's must not differ; one of them is enough.
pub fn merge<'a>(header: Option<String>, body: Option<Cow<'a, str>>) -> Result<Option<Cow<'a, str>>, Problem> {
    match (header, body) {
        (Some(header), Some(body)) if header != body => Err(bad("the header and the body name different keys")),
        (Some(header), _) => Ok(Some(header.into())),
        (None, Some(body)) if body.is_empty() => Err(bad("it is empty")),
        (None, Some(body)) if body.len() > KEY_BYTES => Err(bad("it is longer than 255 bytes")),
        (None, body) => Ok(body),
    }
}

fn bad(detail: &'static str) -> Problem {
    Problem::new(problem::INVALID_KEY).detail(detail)
}

fn unquote(text: &str) -> Option<String> {
    let mut inside = text.strip_prefix('"')?.chars();
    let mut key = String::new();
    loop {
        match inside.next()? {
            '"' => return inside.as_str().is_empty().then_some(key),
            '\\' => key.push(inside.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (lines, expected) in [
            (&[][..], Some(None)),
            (&["\"a b\""], Some(Some("a b"))),
            (&["8e03978e-40d5-43dd-bc93-6894a57f9324"], Some(Some("8e03978e-40d5-43dd-bc93-6894a57f9324"))),
            (&["\"a\\\"b\\\\\""], Some(Some("a\"b\\"))),
            (&["\"a\"x"], None),
            (&["\"a"], None),
            (&["\"\\x\""], None),
            (&[""], None),
            (&["\"\""], None),
            (&["a", "a"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("idempotency-key", line.parse().unwrap());
            }
            assert_eq!(of(&headers).ok(), expected.map(|key| key.map(str::to_owned)), "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", "k".repeat(255).parse().unwrap());
        assert!(of(&headers).is_ok());
        headers.insert("idempotency-key", "k".repeat(256).parse().unwrap());
        assert!(of(&headers).is_err());
    }
}
