//! What a change takes for granted of the named object that it changes (RFC 9110 sections 13.1.1 and 13.1.2).

use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use raincheck_core::Expected;

use super::problem::{self, Problem};

/// The strong `ETag` of a version.
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// From `If-Match`, which names versions or any (`*`), and `If-None-Match: *`, which says that there is none. Which of several
/// versions there is now is asked of `there`: the change finds that one, or fails.
pub async fn expected(
    headers: &HeaderMap,
    there: impl AsyncFnOnce() -> Result<Option<i64>, Problem>,
) -> Result<Expected, Problem> {
    let (of, none) = (list(headers, IF_MATCH)?, list(headers, IF_NONE_MATCH)?);
    match (&of[..], &none[..]) {
        ([], []) => return Ok(Expected::Anything),
        ([], ["*"]) => return Ok(Expected::Absent),
        (["*"], []) => return Ok(Expected::Present),
        (tags, []) if tags.contains(&"*") => return Err(Problem::bad("of If-Match, * stands alone")),
        (_, []) => {}
        _ => return Err(Problem::bad("of If-None-Match, a change takes * alone, and no If-Match beside it")),
    }
    // A weak tag, or one that is not of ours, is never that of the object: section 13.1.1 compares strongly.
    let versions: Vec<i64> = of.iter().filter_map(|tag| version(tag)).collect();
    let expected = match versions[..] {
        [] => None,
        [version] => Some(version),
        _ => there().await?.filter(|there| versions.contains(there)),
    };
    expected.map(Expected::Version).ok_or_else(|| {
        Problem::new(problem::PRECONDITION).detail("it is not what If-Match names: GET shows it as it is now")
    })
}

fn version(tag: &str) -> Option<i64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// Whether what is made must not be there: `If-None-Match: *`, the only condition that is taken where nothing is changed.
pub fn only_new(headers: &HeaderMap) -> Result<bool, Problem> {
    match (&list(headers, IF_MATCH)?[..], &list(headers, IF_NONE_MATCH)?[..]) {
        ([], []) => Ok(false),
        ([], ["*"]) => Ok(true),
        _ => Err(Problem::bad("the only condition here is If-None-Match: *, which refuses what exists")),
    }
}

/// Refuses conditions where none is looked at: whoever sends one does not mean to go without.
pub fn none(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(IF_MATCH) || headers.contains_key(IF_NONE_MATCH) {
        return Err(Problem::bad("no condition is taken here: leave If-Match and If-None-Match out"));
    }
    Ok(())
}

/// The members of a list, over all lines of its name. Our tags hold no commas, so whatever stands between two is another's. A
/// list of nothing is refused: whoever sends it has lost the tag, and does not mean to go without.
fn list(headers: &HeaderMap, name: HeaderName) -> Result<Vec<&str>, Problem> {
    let mut members = Vec::new();
    for line in headers.get_all(&name) {
        let text = line.to_str().map_err(|_| Problem::bad(format!("{name} is not text")))?;
        members.extend(text.split(',').map(str::trim).filter(|member| !member.is_empty()));
    }
    if members.is_empty() && headers.contains_key(&name) {
        return Err(Problem::bad(format!("{name} is empty: name a tag or *, or leave it out")));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tags_say_what_is_expected() {
        let headers = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            headers
        };
        let of = async |lines: &[(&'static str, &'static str)], there: Option<i64>| {
            expected(&headers(lines), async || Ok(there)).await.map_err(|problem| problem.row().status)
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
            (&[(yes, "")], Err(400)),
            (&[(yes, ", ,"), (yes, " ")], Err(400)),
            (&[(not, "")], Err(400)),
            (&[(yes, "*"), (not, " ,")], Err(400)),
            (&[(yes, "\"other\"")], Err(412)),
            (&[(yes, "\"17\", \"18\"")], Ok(Expected::Version(18))),
            (&[(yes, "\"18\","), (yes, ", \"17\"")], Ok(Expected::Version(18))),
            (&[(yes, "\"17\", \"19\"")], Err(412)),
            (&[(yes, "\"17\", W/\"18\"")], Ok(Expected::Version(17))),
            (&[(yes, "*, \"18\"")], Err(400)),
            (&[(not, "\"17\"")], Err(400)),
            (&[(not, "*, \"17\"")], Err(400)),
            (&[(yes, "\"17\""), (not, "*")], Err(400)),
        ] {
            assert_eq!(of(lines, Some(18)).await, expected, "{lines:?}");
        }
        for (lines, expected) in [
            (&[][..], Ok(false)),
            (&[(not, "*")], Ok(true)),
            (&[(not, " * ,")], Ok(true)),
            (&[(not, "")], Err(400)),
            (&[(not, "\"17\"")], Err(400)),
            (&[(not, "*, \"17\"")], Err(400)),
            (&[(not, "*"), (not, "*")], Err(400)),
            (&[(yes, "*")], Err(400)),
            (&[(yes, ",")], Err(400)),
        ] {
            let only_new = only_new(&headers(lines)).map_err(|problem| problem.row().status);
            assert_eq!(only_new, expected, "{lines:?}");
        }
        assert_eq!(of(&[(yes, "\"17\", \"18\"")], None).await, Err(412), "there is none");
        assert_eq!(etag(17), "\"17\"");
    }
}
