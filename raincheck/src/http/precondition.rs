//! What a change takes for granted of the named object that it changes (RFC 9110 sections 13.1.1 and 13.1.2).

use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use raincheck_core::Expected;

use super::problem::{self, Problem};

/// The strong `ETag` of a version.
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// From `If-Match`, which names one version or any (`*`), and `If-None-Match: *`, which says that there is none.
pub fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let (of, none) = (only(headers, IF_MATCH)?, only(headers, IF_NONE_MATCH)?);
    match (of, none) {
        (None, None) => Ok(Expected::Anything),
        (None, Some("*")) => Ok(Expected::Absent),
        (Some("*"), None) => Ok(Expected::Present),
        (Some(tag), None) if tag.contains(',') => Err(Problem::bad("If-Match takes one entity tag here, or *")),
        // A weak tag, or one that is not of ours, is never that of the object: section 13.1.1 compares strongly.
        (Some(tag), None) => version(tag).map(Expected::Version).ok_or_else(|| Problem::new(problem::PRECONDITION)),
        (_, Some(_)) => Err(Problem::bad("of If-None-Match, a change takes * alone, and no If-Match beside it")),
    }
}

fn version(tag: &str) -> Option<i64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&name).into_iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Problem::bad(format!("{name} is there twice")));
    }
    let text = first.map(|value| value.to_str().map(str::trim));
    text.transpose().map_err(|_| Problem::bad(format!("{name} is not text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_what_is_expected() {
        let of = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            expected(&headers).map_err(|problem| problem.row().status)
        };
        let (yes, not) = ("if-match", "if-none-match");
        for (lines, expected) in [
            (&[][..], Ok(Expected::Anything)),
            (&[(yes, "*")], Ok(Expected::Present)),
            (&[(not, "*")], Ok(Expected::Absent)),
            (&[(yes, "\"17\"")], Ok(Expected::Version(17))),
            (&[(yes, " \"17\" ")], Ok(Expected::Version(17))),
            (&[(yes, "W/\"17\"")], Err(412)),
            (&[(yes, "17")], Err(412)),
            (&[(yes, "\"\"")], Err(412)),
            (&[(yes, "\"other\"")], Err(412)),
            (&[(yes, "\"17\", \"18\"")], Err(400)),
            (&[(yes, "\"17\""), (yes, "\"17\"")], Err(400)),
            (&[(not, "\"17\"")], Err(400)),
            (&[(yes, "\"17\""), (not, "*")], Err(400)),
        ] {
            assert_eq!(of(lines), expected, "{lines:?}");
        }
        assert_eq!(etag(17), "\"17\"");
    }
}
