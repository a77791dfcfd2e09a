//! The members of a kept program's line as they stand, and whether a line was meant to be an answer.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Those of an answer. What is no answer may have others of these names, of any type.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) job: Option<&'a RawValue>,
    pub(super) attempt: Option<&'a RawValue>,
    pub(super) progress: Option<&'a RawValue>,
    /// A result of `null` is a result; only a line without the member is none.
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) retryable: Option<&'a RawValue>,
    pub(super) retry_after: Option<&'a RawValue>,
    /// One of these is there twice.
    pub(super) doubled: bool,
    /// Names that no answer has, up to two of them.
    others: Vec<String>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Job,
    Attempt,
    Progress,
    Result,
    Error,
    Retryable,
    RetryAfter,
    Other(String),
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            let place = match name {
                Name::Job => &mut members.job,
                Name::Attempt => &mut members.attempt,
                Name::Progress => &mut members.progress,
                Name::Result => &mut members.result,
                Name::Error => &mut members.error,
                Name::Retryable => &mut members.retryable,
                Name::RetryAfter => &mut members.retry_after,
                Name::Other(name) => {
                    if members.others.len() < 2 {
                        members.others.push(name);
                    }
                    continue;
                }
            };
            members.doubled |= place.replace(value).is_some();
        }
        Ok(members)
    }
}

impl<'a> Members<'a> {
    /// Why the run failed; an `error` of `null` says nothing.
    pub(super) fn fault(&self) -> Option<&'a RawValue> {
        self.error.filter(|error| error.get() != "null")
    }

    /// Whether one member stands beside those of an answer; see [`misspelt_end`](Self::misspelt_end).
    pub(super) fn has_one_other(&self) -> bool {
        self.others.len() == 1
    }

    /// The one member beside those of an answer, if by its name it was meant to be the end of a run: `reslut`, `Error`.
    /// With more beside it a line is taken for what a program logs.
    pub(super) fn misspelt_end(&self) -> Option<&str> {
        let [other] = self.others.as_slice() else { return None };
        ["result", "error"].iter().any(|known| is_nearly(&other.to_ascii_lowercase(), known)).then_some(other)
    }
}

/// Whether one letter is too many, missing or another, or two stand in each other's place.
fn is_nearly(name: &str, known: &str) -> bool {
    let (a, b) = (name.as_bytes(), known.as_bytes());
    let begin = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[begin..], &b[begin..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&a[..a.len() - end], &b[..b.len() - end]) {
        ([a, b], [c, d]) => (a, b) == (d, c),
        (a, b) => a.len().max(b.len()) <= 1,
    }
}

/// Whether a line that is no JSON was meant to be an answer: it begins as an object, and has this job as its `job`, an
/// `attempt`, and a `result` or an `error`. Quotes of Python's are quotes, too.
pub(super) fn was_meant(line: &[u8], job: &str) -> bool {
    let mut rest = line.trim_ascii_start();
    if rest.first() != Some(&b'{') {
        return false;
    }
    let (mut depth, mut found) = (0_usize, [false; 3]);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' | b'\'' => {
                let name;
                (name, rest) = quoted(rest, byte);
                let value = rest.trim_ascii_start().strip_prefix(b":").filter(|_| depth == 1);
                match (name, value) {
                    (b"job", Some(value)) => found[0] |= is_text(value.trim_ascii_start(), job),
                    (b"attempt", Some(_)) => found[1] = true,
                    (b"result" | b"error", Some(_)) => found[2] = true,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    found == [true; 3]
}

fn is_text(value: &[u8], text: &str) -> bool {
    value
        .split_first()
        .is_some_and(|(quote, after)| matches!(quote, b'"' | b'\'') && quoted(after, *quote).0 == text.as_bytes())
}

/// What stands before the next such quote, and what comes after it.
fn quoted(text: &[u8], quote: u8) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (&text[..at.min(text.len())], text.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        for near in ["reslut", "results", "resul", "rusult", "result"] {
            assert!(is_nearly(near, "result"), "{near}");
        }
        for far in ["", "r", "msg", "resume", "rslt", "tluser", "result_path"] {
            assert!(!is_nearly(far, "result"), "{far}");
        }
        assert!(is_nearly("erorr", "error") && !is_nearly("err", "error"));
    }

    #[test]
    fn what_was_meant_is_seen_at_the_first_level_only() {
        for meant in [
            r#"{"job": "j", "attempt": 1, "result": NaN}"#,
            r#"  {'job': 'j', 'attempt': 1, 'error': 'it isn\'t'}"#,
            r#"{"attempt":1,"error":{"job":"i"},"job":"j""#,
            r#"{"job":"j","attempt":1,"result":1}{"job":"j""#,
        ] {
            assert!(was_meant(meant.as_bytes(), "j"), "{meant}");
        }
        for log in [
            "",
            "{",
            r#"{"job":"j","attempt":1}"#,
            r#"{"job":"i","attempt":1,"result":NaN}"#,
            r#"{"job":"j","result":NaN}"#,
            r#"[{"job":"j","attempt":1,"result":NaN}]"#,
            r#"x {"job":"j","attempt":1,"result":NaN}"#,
            r#"{"asked":{"job":"j","attempt":1,"result":NaN}"#,
            r#"{"msg":"\"job\":\"j\",\"attempt\":1,\"result\":1"x"#,
            r#"{"msg":"\"#,
        ] {
            assert!(!was_meant(log.as_bytes(), "j"), "{log}");
        }
    }
}
