//! The `Idempotency-Key` header: a string of structured fields (RFC 9651 section 3.3.3), whose parameters mean nothing here,
//! or the bare text that most clients send.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName};
use raincheck_core::limits::KEY_BYTES;

use crate::prefer::split_outside_quotes;
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
            '"' => return are_parameters(inside.as_str()).then_some(key),
            '\\' => key.push(inside.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
}

/// Whether what follows the string are its parameters (RFC 9651 section 3.1.2).
fn are_parameters(text: &str) -> bool {
    let mut parts = split_outside_quotes(text, b';');
    parts.next().is_some_and(|before| before.trim().is_empty()) && parts.all(is_parameter)
}

fn is_parameter(text: &str) -> bool {
    let text = text.trim_start_matches(' ');
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let is_part = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') && name.bytes().all(is_part);
    is_name && value.is_none_or(is_item)
}

/// A bare item: what is quoted is closed, anything else is one word.
fn is_item(value: &str) -> bool {
    match value.strip_prefix('"') {
        Some(_) => unquote(value).is_some(),
        None => !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',')),
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
            (&["\"a\";v=1"], Some(Some("a"))),
            (&["\"a\"; v=\"x;\\\"y\";w;*z=:aGk=:;t=?1"], Some(Some("a"))),
            (&["\"a;v=1\""], Some(Some("a;v=1"))),
            (&["\"a\" ;v=1"], Some(Some("a"))),
            (&["\"a\";"], None),
            (&["\"a\";V=1"], None),
            (&["\"a\";v="], None),
            (&["\"a\";v=\"x"], None),
            (&["\"a\", \"b\""], None),
            (&["\"a\";v=1, \"b\""], None),
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
