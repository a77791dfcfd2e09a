//! Headers and query strings from outside.

use axum::body::Body;
use axum::extract::FromRequestParts;
use futures_util::FutureExt;
use http::Request;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use raincheck_core::{Spec, limits};
use raincheck_fuzz::proptest::prelude::any;
use raincheck_fuzz::proptest::{collection::vec, strategy::Strategy};
use raincheck_fuzz::{bytes, check, texts};

use super::guard::Guard;
use super::options::Options;
use super::problem::Problem;
use super::query::Query;
use super::range::{Part, part};
use super::scope::Scope;
use super::submit::raw::media_type;
use super::{body, filename, list, multipart, negotiate, prefer, stream, submit, trace};

/// One to three lines of a header.
fn lines(name: &'static str, samples: &[&str]) -> impl Strategy<Value = HeaderMap> {
    let samples: Vec<&[u8]> = samples.iter().map(|sample| sample.as_bytes()).collect();
    vec(bytes(&samples), 1..3).prop_map(move |lines| {
        let values = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
        values.map(|value| (HeaderName::from_static(name), value)).collect()
    })
}

#[test]
fn prefer_wait() {
    let samples =
        ["wait=10", "respond-async, wait=10", "foo=\"a, wait=3\"; bar, WAIT = \"7\"", "wait=99999999999999999999"];
    check(lines("prefer", &samples), |headers| {
        let wait = prefer::wait(&headers);
        assert!(wait.is_none_or(|millis| millis >= 0), "{headers:?} is {wait:?}");
        let named = headers.values().any(|line| line.as_bytes().to_ascii_lowercase().windows(4).any(|w| w == b"wait"));
        assert!(wait.is_none() || named, "{headers:?} is {wait:?}");
    });
}

#[test]
fn accept() {
    let samples =
        ["*/*", "text/html,application/xml;q=0.9,*/*;q=0.8", "application/json;q=0.5, text/*", "a/b;x=\",\";q=NaN", ""];
    check(lines("accept", &samples), |headers| {
        let offers = ["application/json", "text/event-stream"];
        let best = negotiate::best(&headers, &offers);
        assert!(best.is_none_or(|best| offers.contains(&best)));
        let one = negotiate::best(&headers, &offers[..1]);
        assert!(one.is_none() || best.is_some(), "{headers:?}: more offers, yet none that is taken");
    });
}

#[test]
fn entity_tags() {
    check(lines("if-none-match", &["W/\"4\"", "\"3\", \"4\"", "*", "\"a\\\",b\"", "4"]), |headers| {
        let has = |tag| negotiate::names_tag(&headers, header::IF_NONE_MATCH, tag);
        assert_eq!(has("W/\"4\""), has("\"4\""), "{headers:?}: compared weakly");
        let there = headers
            .values()
            .any(|line| line.as_bytes().windows(3).any(|w| w == b"\"4\"") || line.as_bytes().contains(&b'*'));
        assert!(!has("\"4\"") || there, "{headers:?}");
    });
}

#[test]
fn byte_range() {
    let samples = [
        "bytes=0-3",
        "bytes=2-",
        "bytes=-3",
        "bytes=0-99999999999999999999",
        "bytes=18446744073709551615-",
        "bytes=0-1,3-4",
    ];
    check((lines("range", &samples), any::<u64>(), 0..20u64), |(headers, large, small)| {
        for size in [large, small, 0] {
            if let Part::Bytes(start, end) = part(&headers, size, "\"e\"") {
                assert!(start < end && end <= size, "{headers:?} of {size} is {start} to {end}");
            }
        }
    });
}

#[test]
fn idempotency_key() {
    check(
        lines("idempotency-key", &["\"a b\"", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"a\\\"b\\\\\"", "\"a\"x"]),
        |headers| {
            match submit::key::of(&headers) {
                Ok(None) => assert!(headers.is_empty()),
                Ok(Some(key)) => {
                    assert_eq!(headers.len(), 1);
                    assert!((1..=limits::KEY_BYTES).contains(&key.len()) && key.is_ascii(), "{headers:?} is {key:?}");
                    // Quoted it is the same key.
                    let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
                    let headers =
                        HeaderMap::from_iter([(HeaderName::from_static("idempotency-key"), quoted.parse().unwrap())]);
                    assert_eq!(submit::key::of(&headers).unwrap(), Some(key));
                }
                Err(problem) => assert_eq!(problem.row().slug, "invalid-idempotency-key"),
            }
        },
    );
}

#[test]
fn trace_parent() {
    let samples = [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-07-more",
    ];
    let states = ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a@b=c ,, d=e", "a=b=c"];
    check((lines("traceparent", &samples), lines("tracestate", &states)), |(mut headers, states)| {
        headers.extend(states);
        let mut spec = Spec::default();
        trace::put(&mut spec, &headers);
        let Some(text) = spec.traceparent else { return assert_eq!(spec.tracestate, None, "{headers:?}") };
        assert_eq!(text.len(), 55, "{text}");
        assert!(text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-')), "{text}");
        let Some(state) = spec.tracestate else { return };
        assert!(state.len() <= 512 && state.bytes().all(|b| (b' '..=b'~').contains(&b)), "{state}");
        assert!(
            (1..=32).contains(&state.split(',').count()) && state.split(',').all(|one| one.contains('=')),
            "{state}"
        );
    });
}

#[test]
fn file_name() {
    let samples = [
        "attachment; filename=\"clip.mp4\"",
        "attachment; filename=\"x\"; filename*=UTF-8''%C3%A9%00%2F.txt",
        "attachment; filename=\"C:\\\\x\\\\y;z.txt\"",
        "attachment; filename=\"..\"",
    ];
    check(lines("content-disposition", &samples), |headers| {
        let Some(name) = filename::of(&headers) else { return };
        assert!(!matches!(&*name, "" | "." | "..") && name.len() <= limits::LABEL_BYTES, "{headers:?} is {name:?}");
        assert!(!name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()), "{headers:?} is {name:?}");
        // What is handed out reads back.
        let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, filename::attachment(Some(&name)))]);
        assert_eq!(filename::of(&headers), Some(name), "{headers:?}");
    });
}

/// What a form comes to when it arrives in pieces of this size: its file, or why there is none.
fn file_of(form: &[u8], size: usize) -> Result<Vec<u8>, &'static str> {
    let pieces: Vec<_> = form.chunks(size).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let read = async {
        let mut body = multipart::part("b", body).await?.body;
        let mut all = Vec::new();
        while let Some(piece) = body::any_piece(&mut body).await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(read).map_err(|problem: Problem| problem.row().slug)
}

#[test]
fn form() {
    let samples: [&[u8]; 4] = [
        b"--b\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\n\r\n--\r\n--b--\r\n",
        b"x\r\n--b \r\nContent-Type: a/b\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nx\r\n--b\r\n\r\n\r\n--b--",
        b"--b--",
        b"--b\r\n\r\n",
    ];
    check((bytes(&samples), 1..9_usize), |(form, size)| {
        let whole = file_of(&form, form.len().max(1));
        assert_eq!(file_of(&form, size), whole, "in pieces of {size}");
        match whole {
            Ok(file) => {
                assert!(!file.windows(5).any(|part| part == b"\r\n--b"), "{file:?}");
                assert!(file.is_empty() || form.windows(file.len()).any(|part| part == file), "{file:?}");
            }
            Err(slug) => assert!(["invalid-request", "unsupported-media-type"].contains(&slug), "{slug}"),
        }
    });
}

#[test]
fn content_type() {
    let samples = [
        "application/json",
        "Application/JSON; charset=\"UTF-8\"",
        "application/vnd.x+json",
        "text/plain;charset=latin1",
        "é+json",
    ];
    check(lines("content-type", &samples), |headers| {
        body::is_json(&headers);
        match media_type(&headers) {
            Ok(Some(media)) => assert!(media.len() <= 256 && HeaderValue::from_str(&media).is_ok(), "{media:?}"),
            Ok(None) => assert!(body::is_json(&headers), "{headers:?}"),
            Err(problem) => assert_eq!(problem.row().slug, "unsupported-media-type"),
        }
    });
}

#[test]
fn host_and_origin() {
    let guard = Guard::new(&Options::default());
    let hosts = ["localhost:8202", "127.0.0.1", "[::1]:8202", "localhost.evil.test", "a@localhost", "LOCALHOST:"];
    let origins = ["http://localhost:8202", "null", "http://evil.test", "https://localhost.evil.test"];
    check((texts(&hosts), texts(&origins)), |(host, origin)| {
        let request = Request::builder().method("POST").uri("/jobs").header("host", &host).header("origin", &origin);
        let Ok(request) = request.body(()) else { return };
        let passed = guard.admit(&request, Scope::Submit).is_ok();
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(&*host, |(n, _)| n);
        let local = ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| local.eq_ignore_ascii_case(name));
        let own = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(&host));
        assert!(!passed || local && own, "{host:?} with a page of {origin:?} passed");
    });
}

#[test]
fn query() {
    let samples = [
        "state=failed&queue=a&tag.x=1",
        "wait=20s&on_failure=200",
        "limit=1000&cursor=1.abcd",
        "a=1&a=2",
        "q=%00",
        "+=%zz&&=",
    ];
    check(texts(&samples), |text| {
        let Ok(request) = Request::builder().uri(format!("/jobs?{text}")).body(()) else { return };
        let (mut parts, ()) = request.into_parts();
        let query = Query::from_request_parts(&mut parts, &()).now_or_never().expect("it waits for nothing");
        let given: Vec<(String, String)> =
            parts.uri.query().map_or(Vec::new(), |q| form_urlencoded::parse(q.as_bytes()).into_owned().collect());
        let mut query = match query {
            Ok(query) => query,
            Err(problem) => return assert_eq!(problem.row().slug, "invalid-request"),
        };
        for (name, value) in &given {
            assert_eq!(query.take(name).as_ref(), Some(value), "each once");
        }
        assert!(query.done().is_ok(), "nothing but {given:?}");
    });
}

#[test]
fn places() {
    check(texts(&["2-17", "0-0", "4294967295-18446744073709551615", "+1-+2", "abc", "1a2b.3f4e", "-1.0000"]), |text| {
        if let Some((attempt, offset)) = stream::sse::parse_id(&text) {
            assert_eq!(stream::sse::parse_id(&format!("{attempt}-{offset}")), Some((attempt, offset)));
        }
        if let Some(no) = list::open_cursor(&text) {
            assert_eq!(list::make_cursor(no), text, "one place, one cursor");
        }
    });
}
