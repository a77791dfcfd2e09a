//! W3C Trace Context of a submit, on its way to the worker: read as the recommendation says, and passed on.

use http::header::{HeaderMap, HeaderName};
use raincheck_core::Spec;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Most of `tracestate` that is passed on, bytes; what everybody has to pass on (section 3.3.1.5).
const STATE: usize = 512;
/// The longest of its entries, bytes, which go first where it is too long.
const LONG_ENTRY: usize = 128;
/// Most of its entries (section 3.3.1.1).
const ENTRIES: usize = 32;

/// Notes the context of the request, when it is well formed: one that is not is not passed on.
pub fn put(spec: &mut Spec, headers: &HeaderMap) {
    spec.traceparent = parent(headers);
    if spec.traceparent.is_some() {
        spec.tracestate = state(headers);
    }
}

/// The only `traceparent` (section 3.2). One of a version that is not known yet is read as far as this one goes, and becomes
/// one of this version (section 4.3).
fn parent(headers: &HeaderMap) -> Option<Box<str>> {
    let first = headers.get(&TRACEPARENT)?;
    if headers.get_all(&TRACEPARENT).iter().nth(1).is_some() {
        return None;
    }
    let text = first.to_str().ok()?.trim();
    let (known, more) = (text.get(..55)?, &text[55..]);
    let mut parts = known.split('-');
    let hex = |part: &str, length| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let version = parts.next().filter(|version| hex(version, 2) && *version != "ff")?;
    let trace = parts.next().filter(|trace| hex(trace, 32) && !zero(trace))?;
    let parent = parts.next().filter(|parent| hex(parent, 16) && !zero(parent))?;
    let flags = parts.next().filter(|flags| hex(flags, 2))?;
    match version {
        "00" => more.is_empty().then(|| known.into()),
        _ if more.is_empty() || more.starts_with('-') => {
            // Of its flags nobody knows more than whether it is sampled.
            let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1;
            Some(format!("00-{trace}-{parent}-{is_sampled:02x}").into())
        }
        _ => None,
    }
}

/// All lines of `tracestate` as one (section 3.3). Where anything in it is broken there is none.
fn state(headers: &HeaderMap) -> Option<Box<str>> {
    let mut entries = Vec::new();
    for line in headers.get_all(&TRACESTATE) {
        let members = line.to_str().ok()?.split(',').map(str::trim).filter(|member| !member.is_empty());
        for member in members {
            let (key, value) = member.split_once('=')?;
            if !is_key(key) || !is_value(value) {
                return None;
            }
            entries.push(member);
        }
    }
    if entries.len() > ENTRIES {
        return None;
    }
    let length = |entries: &[&str]| entries.iter().map(|entry| entry.len() + 1).sum::<usize>().saturating_sub(1);
    if length(&entries) > STATE {
        entries.retain(|entry| entry.len() <= LONG_ENTRY);
    }
    while length(&entries) > STATE {
        entries.pop();
    }
    (!entries.is_empty()).then(|| entries.join(",").into())
}

/// Section 3.3.1.3.1; its two forms differ in nothing that matters to whoever passes it on.
fn is_key(key: &str) -> bool {
    let is_part = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    key.len() <= 256
        && key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.bytes().all(is_part)
}

/// Section 3.3.1.3.2.
fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len()) && value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

    fn read(parents: &[String], states: &[&str]) -> (Option<String>, Option<String>) {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(&TRACEPARENT, parent.parse().unwrap());
        }
        for state in states {
            headers.append(&TRACESTATE, state.parse().unwrap());
        }
        let mut spec = Spec::default();
        put(&mut spec, &headers);
        (spec.traceparent.map(String::from), spec.tracestate.map(String::from))
    }

    #[test]
    fn parents() {
        let good = format!("00-{TRACE}-01");
        for (parent, expected) in [
            (good.clone(), Some(good.clone())),
            (format!(" {good} "), Some(good.clone())),
            (format!("00-{TRACE}-ff"), Some(format!("00-{TRACE}-ff"))),
            (format!("cc-{TRACE}-01"), Some(good.clone())),
            (format!("cc-{TRACE}-05-what-the-future-brings"), Some(good.clone())),
            (format!("01-{TRACE}-fe"), Some(format!("00-{TRACE}-00"))),
            (format!("cc-{TRACE}-01.what"), None),
            (format!("00-{TRACE}-01-"), None),
            (format!("00-{TRACE}-01-more"), None),
            (format!("ff-{TRACE}-01"), None),
            (format!("00-{}-01", TRACE.to_uppercase()), None),
            (format!("00-{TRACE}-0"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16)), None),
            (String::new(), None),
            ("é".repeat(40), None),
        ] {
            assert_eq!(read(std::slice::from_ref(&parent), &[]).0, expected, "{parent}");
        }
        assert_eq!(read(&[good.clone(), good], &["a=b"]), (None, None), "there is one");
    }

    #[test]
    fn states() {
        let (parent, long) = (format!("00-{TRACE}-01"), "x".repeat(120));
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        let (four, five) =
            (format!("a={long},b={long},c={long},d={long}"), format!("a={long},b={long},c={long},d={long},e={long}"));
        let huge = format!("a={},b={long},c={long},d={long},e={long}", "x".repeat(200));
        for (states, expected) in [
            (&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..], Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")),
            (&["rojo=1", "congo=2"], Some("rojo=1,congo=2")),
            (&[" rojo=1 , , congo=a b ,"], Some("rojo=1,congo=a b")),
            (&["1a-_*/b@c=!"], Some("1a-_*/b@c=!")),
            (&[""], None),
            (&["rojo"], None),
            (&["rojo="], None),
            (&["Rojo=1"], None),
            (&["rojo=1=2"], None),
            (&["rojo=1, b r=2"], None),
            (&[&five], Some(&four)),
            (&[&huge], Some(&four.replace("d=", "e=").replace("c=", "d=").replace("b=", "c=").replace("a=", "b="))),
            (&[&many[..32].join(",")], Some(&many[..32].join(","))),
            (&[&many.join(",")], None),
        ] {
            assert_eq!(read(std::slice::from_ref(&parent), states).1.as_deref(), expected, "{states:?}");
        }
        assert_eq!(read(&["nonsense".to_owned()], &["a=b"]).1, None, "nothing without a parent");
    }
}
