//! What a change takes for granted of what it changes (RFC 9110 sections 13.1.1 and 13.1.2): a named object, a job or the
//! settings of a queue.

use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use raincheck_core::{Expected, Job, QueueSettings};

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
    expected.map(Expected::Version).ok_or_else(changed)
}

fn version(tag: &str) -> Option<i64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// Whether what is made must not be there: `If-None-Match: *`, the only value that it may have here.
pub fn only_new(headers: &HeaderMap) -> Result<bool, Problem> {
    match (headers.contains_key(IF_MATCH), &list(headers, IF_NONE_MATCH)?[..]) {
        (_, []) => Ok(false),
        (false, ["*"]) => Ok(true),
        _ => Err(Problem::bad("If-None-Match is * here, which refuses what exists, and has no If-Match beside it")),
    }
}

/// The number that a job must still have, from `If-Match`, where that names it; `*` names any job that is there. A job's
/// tags are weak and are compared so all the same, against RFC 9110: they have no other, and each change has a new one.
pub fn of_job(headers: &HeaderMap, job: &Job) -> Result<Option<u32>, Problem> {
    match &if_match(headers)?[..] {
        [] | ["*"] => Ok(None),
        tags if names_job(tags, job) => Ok(Some(job.seq)),
        _ => Err(changed()),
    }
}

/// Refuses to show a job that is not what `If-Match` names.
pub fn of_shown(headers: &HeaderMap, job: &Job) -> Result<(), Problem> {
    let tags = list(headers, IF_MATCH)?;
    if tags.contains(&"*") || names_job(&tags, job) { Ok(()) } else { Err(changed()) }
}

fn names_job(tags: &[&str], job: &Job) -> bool {
    tags.iter().any(|tag| version(tag.trim_start_matches("W/")) == Some(job.seq.into()))
}

/// Whether there must be one already: `If-Match`.
pub fn wants_one(headers: &HeaderMap) -> Result<bool, Problem> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(false);
    }
    if_match(headers).map(|tags| !tags.is_empty())
}

/// The settings that a queue must still have, from `If-Match`, where that names them; nothing where there is no condition.
/// `there` are those that it has now.
pub fn of_queue(headers: &HeaderMap, there: Option<&QueueSettings>) -> Result<Option<QueueSettings>, Problem> {
    let tags = if_match(headers)?;
    let named = match (&tags[..], there) {
        ([], _) | (["*"], Some(_)) => return Ok(None),
        // Judged by the change itself: another server may have made them a moment ago.
        ([tag], _) => settings(tag),
        (tags, Some(there)) => tags.iter().filter_map(|tag| settings(tag)).find(|named| named == there),
        (_, None) => None,
    };
    named.map(Some).ok_or_else(|| {
        Problem::new(problem::PRECONDITION)
            .detail("its settings are not what If-Match names: GET shows them as they are now")
    })
}

/// The strong `ETag` of a queue: what is set on it, and none of its live figures.
pub fn queue_etag(QueueSettings { paused, max_queued, concurrency }: &QueueSettings) -> HeaderValue {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let (paused, concurrency) = (u8::from(*paused), concurrency.map(u64::from));
    let tag = format!("\"{paused}.{}.{}\"", number(*max_queued), number(concurrency));
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

fn settings(tag: &str) -> Option<QueueSettings> {
    let mut parts = tag.strip_prefix('"')?.strip_suffix('"')?.split('.');
    let mut part = || parts.next();
    let (paused, max_queued, concurrency) = (part()?, part()?, part()?);
    let read = |text: &str| if text == "-" { Some(None) } else { text.parse::<u64>().ok().map(Some) };
    let concurrency = read(concurrency)?.map(u32::try_from).transpose().ok()?;
    let settings = QueueSettings { paused: paused == "1", max_queued: read(max_queued)?, concurrency };
    (queue_etag(&settings) == tag).then_some(settings)
}

/// Refuses to answer where `If-Match` does not name `etag`, compared strongly.
pub fn matches(headers: &HeaderMap, etag: &str) -> Result<(), Problem> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(());
    }
    let tags = list(headers, IF_MATCH)?;
    if tags.iter().any(|tag| *tag == "*" || *tag == etag) { Ok(()) } else { Err(changed()) }
}

/// What a change of what is there may be made to depend on.
fn if_match(headers: &HeaderMap) -> Result<Vec<&str>, Problem> {
    if headers.contains_key(IF_NONE_MATCH) {
        return Err(Problem::bad("the condition of this change is If-Match: leave If-None-Match out"));
    }
    let tags = list(headers, IF_MATCH)?;
    if tags.len() > 1 && tags.contains(&"*") {
        return Err(Problem::bad("of If-Match, * stands alone"));
    }
    Ok(tags)
}

/// It has another tag than the caller has seen.
pub fn changed() -> Problem {
    Problem::new(problem::PRECONDITION).detail("it is not what If-Match names: GET shows it as it is now")
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
            (&[(yes, "*")], Ok(false)),
            (&[(yes, "*"), (not, "*")], Err(400)),
        ] {
            let only_new = only_new(&headers(lines)).map_err(|problem| problem.row().status);
            assert_eq!(only_new, expected, "{lines:?}");
        }
        assert_eq!(of(&[(yes, "\"17\", \"18\"")], None).await, Err(412), "there is none");
        assert_eq!(etag(17), "\"17\"");
    }

    #[test]
    fn settings_of_a_queue_are_their_own_tag() {
        let all = [None, Some(0), Some(7), Some(u64::MAX)];
        for (paused, max_queued) in [true, false].into_iter().flat_map(|paused| all.map(|most| (paused, most))) {
            for concurrency in [None, Some(0), Some(u32::MAX)] {
                let set = QueueSettings { paused, max_queued, concurrency };
                let tag = queue_etag(&set);
                assert_eq!(settings(tag.to_str().unwrap()), Some(set));
            }
        }
        for none in
            ["", "\"\"", "\"0.-\"", "\"0.-.-.-\"", "\"2.-.-\"", "\"0.+1.-\"", "\"0.01.-\"", "W/\"0.-.-\"", "0.-.-"]
        {
            assert_eq!(settings(none), None, "{none}");
        }
    }
}
