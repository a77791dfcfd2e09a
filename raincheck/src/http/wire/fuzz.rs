//! Bodies from outside: what is accepted is what it should be, what is refused says so in a known way.

use std::collections::HashSet;

use raincheck_core::{Progress, Timestamp, limits};
use raincheck_fuzz::proptest::prelude::*;
use raincheck_fuzz::proptest::{collection::vec, option, strategy::BoxedStrategy};
use raincheck_fuzz::{bytes, check, texts};
use serde::Deserialize;
use serde_json::Value;

use super::lease::ErrorBody;
use super::progress::write_progress;
use super::*;
use crate::http::problem::Problem;

const JOB: &str = r#"{"kind":"video.compress","input":{"file":"a.mp4","a":[1,2.50,null]},"label":"x","queue":"media","key":"k-1","method":"GET","priority":-100,"delay":"10m","run_at":"2027-01-31T08:00:00Z","start_by":"2h","timeout":3600,"retry":{"max_attempts":3,"initial":"1s","factor":2.5,"max":"10m","jitter":true},"retention":{"succeeded":"3d","failed":"90d"},"max_age":"5m","on_lost":"fail","tags":{"a":"1","b":"é"}}"#;

const MEMBERS: &[&str] = &[
    "kind",
    "input",
    "label",
    "queue",
    "key",
    "method",
    "priority",
    "delay",
    "run_at",
    "start_by",
    "timeout",
    "retry",
    "retention",
    "max_age",
    "on_lost",
    "tags",
];

/// Reads a body and checks what holds for every body: `members` are all that its object may have.
fn reads<'a, T: Deserialize<'a>>(body: &'a [u8], members: &[&str]) -> Option<T> {
    let unique = serde_json::from_slice::<Unique>(body);
    match read::<T>(body) {
        Ok(value) => {
            let Unique(names) = unique.unwrap_or_else(|error| panic!("accepted, but {error}"));
            assert!(names.iter().all(|name| members.contains(&name.as_str())), "accepted {names:?}");
            Some(value)
        }
        Err(problem) => {
            refused(&problem);
            None
        }
    }
}

/// Bad requests and invalid content are the only ways to refuse a body, and both say where.
fn refused(problem: &Problem) {
    let mut out = Json::default();
    problem.write(&mut out);
    let shown: Value = serde_json::from_slice(&out.into_vec()).expect("a problem is JSON");
    assert!(matches!(problem.row().slug, "invalid-request" | "validation"), "{shown}");
    let errors = shown["errors"].as_array().cloned().unwrap_or_default();
    assert!(problem.row().slug != "validation" || !errors.is_empty(), "{shown}");
    for error in errors {
        let pointer = error["pointer"].as_str().unwrap();
        assert!(pointer.is_empty() || pointer.starts_with('/'), "{shown}");
        assert!(!error["detail"].as_str().unwrap().is_empty(), "{shown}");
    }
}

/// An object whose members are there once each.
struct Unique(Vec<String>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> serde::de::Visitor<'de> for Names {
            type Value = Unique;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let (mut names, mut seen) = (Vec::new(), HashSet::new());
                while let Some((name, _)) = map.next_entry::<String, &serde_json::value::RawValue>()? {
                    if !seen.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format!("{name} is there twice")));
                    }
                    names.push(name);
                }
                Ok(Unique(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[test]
fn new_job() {
    let samples = [JOB, r#"{"kind":"k"}"#, r#"{"kind":"k","input":null,"tags":{}}"#];
    check(bytes(&samples.map(str::as_bytes)), |body| {
        let Some(job) = reads::<NewJobBody<'_>>(&body, MEMBERS) else { return };
        let Tags(tags) = &job.tags;
        assert!(tags.len() <= limits::TAGS && tags.is_sorted_by(|a, b| a.0 < b.0), "{tags:?}");
        if let Some(Present(input)) = job.input {
            let place = input.get().as_ptr() as usize - body.as_ptr() as usize;
            assert_eq!(
                &body[place..place + input.get().len()],
                input.get().as_bytes(),
                "a part of the body, not a copy"
            );
        }
        for duration in [job.delay, job.timeout, job.max_age].into_iter().flatten() {
            assert!((0..=10 * 365 * 86_400_000).contains(&duration.0));
        }
    });
}

#[test]
fn other_bodies() {
    let batch = format!(r#"{{"jobs":[{JOB},{{"kind":"k"}}]}}"#);
    let samples = [
        &batch,
        r#"{"input":{"a":1}}"#,
        r#"{"worker":{"name":"w","version":"1"},"queues":["default"],"kinds":["k","l"],"max":32,"wait":"20s","ttl":"30s","request_id":"r","finish":[{"lease":"1.1.x","complete":{"result":{"a":1}}},{"lease":"1.2.x","fail":{"error":{"type":"T","title":"t","detail":"d"},"retryable":true,"retry_after":30}},{"lease":"1.3.x","release":{"delay":"10s"}}]}"#,
        r#"{"progress":{"percent":42.5,"current":1,"total":2,"message":"m","data":[1]},"ttl":"30s","wait":"20s"}"#,
        r#"{"heartbeats":[{"lease":"1.1.x","progress":{"percent":1},"ttl":"30s"}],"wait":"20s"}"#,
        r#"{"error":{"type":"T","title":"t","detail":"d"},"retryable":false,"retry_after":"30s"}"#,
        r#"{"delay":"10s"}"#,
        r#"{"paused":true,"max_queued":null,"concurrency":4}"#,
    ];
    check(bytes(&samples.map(str::as_bytes)), |body| {
        reads::<BatchBody<'_>>(&body, &["jobs"]);
        reads::<RerunBody<'_>>(&body, &["input"]);
        reads::<LeaseBody<'_>>(&body, &["worker", "queues", "kinds", "max", "wait", "ttl", "request_id", "finish"]);
        reads::<HeartbeatBody<'_>>(&body, &["progress", "ttl", "wait"]);
        reads::<HeartbeatsBody<'_>>(&body, &["heartbeats", "wait"]);
        reads::<ReleaseBody>(&body, &["delay"]);
        reads::<QueuePatchBody>(&body, &["paused", "max_queued", "concurrency"]);
        reads::<ErrorBody<'_>>(&body, &["type", "title", "detail"]);
        if let Some(fail) = reads::<FailBody<'_>>(&body, &["error", "retryable", "retry_after"]) {
            let failure = fail.failure();
            let within = |text: &Option<Box<str>>, most| text.as_ref().is_none_or(|text| text.len() <= most);
            assert!(
                within(&failure.kind, limits::LABEL_BYTES) && within(&failure.title, limits::PROGRESS_MESSAGE_BYTES)
            );
            assert!(within(&failure.detail, limits::ERROR_DETAIL_BYTES));
        }
    });
}

#[test]
fn progress() {
    let samples = [
        r#"{"percent":42.5,"current":1,"total":1e300,"message":"half","data":{"a":[1]}}"#,
        r#"{"percent":-0,"current":0.9}"#,
        r#"{"percent":100.0000001}"#,
    ];
    check(bytes(&samples.map(str::as_bytes)), |body| {
        let members = &["percent", "current", "total", "message", "data"];
        let Some(report) = reads::<ProgressBody<'_>>(&body, members) else { return };
        let mut errors = Vec::new();
        let progress = report.check("/progress", &mut errors);
        if errors.is_empty() {
            assert!(progress.message.as_ref().is_none_or(|text| text.len() <= limits::PROGRESS_MESSAGE_BYTES));
            assert!(progress.data.as_ref().is_none_or(|data| data.len() <= limits::PROGRESS_DATA_BYTES));
            shown(&progress);
        }
    });
}

/// What is shown says the same.
fn shown(progress: &Progress) {
    let written = |progress: &Progress| {
        let mut out = Json::default();
        write_progress(&mut out, progress);
        out.into_vec()
    };
    serde_json::from_slice::<serde::de::IgnoredAny>(&written(progress)).expect("progress is JSON");
    // The worker's own data passes through as it is, numbers that no reader can hold among them.
    let ours = Progress { data: None, ..progress.clone() };
    let value: Value = serde_json::from_slice(&written(&ours)).expect("all can be read");
    assert!(value["percent"].as_f64().is_none_or(|percent| (0.0..=100.0).contains(&percent)), "{value}");
    assert_eq!((value["current"].as_u64(), value["total"].as_u64()), (progress.current, progress.total));
    assert_eq!(value["message"].as_str(), progress.message.as_deref());
}

#[test]
fn time() {
    let samples =
        ["2027-01-31T08:00:00Z", "2026-11-21T06:00:00.123456789+02:00", "1969-12-31T23:59:59.999Z", "2h", "90"];
    check(texts(&samples), |text| {
        let Some(at) = time::parse(&text) else { return };
        let mut out = Vec::new();
        time::write(&mut out, at);
        let written = String::from_utf8(out).unwrap();
        // Shown from 1970 on: nothing here happened before.
        assert_eq!(time::parse(written.trim_matches('"')), Some(Timestamp(at.0.max(0))), "{text:?} is {written}");
        assert_eq!(Moment::parse(&text), Some(Moment::At(at)));
    });
}

/// JSON values, without numbers that can be spelled in two ways.
fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a\"\\\\/\n\u{1}é𝄞]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[ab\"\\\\é]{0,2}", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Another spelling of the same: members the other way round, white space, every character escaped.
fn respell(value: &Value) -> String {
    let string = |text: &str| {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
        format!("\"{}\"", units.collect::<String>())
    };
    match value {
        Value::String(text) => string(text),
        Value::Array(items) => format!("[ {} ]", items.iter().map(respell).collect::<Vec<_>>().join("\t,\n")),
        Value::Object(members) => {
            let members = members.iter().rev().map(|(name, value)| format!("{} : {}", string(name), respell(value)));
            format!("\r{{ {}\n}} ", members.collect::<Vec<_>>().join(" , "))
        }
        other => other.to_string(),
    }
}

fn digest(json: &str) -> raincheck_core::Digest {
    let mut fingerprint = Fingerprint::default();
    fingerprint.json("input", json.as_bytes());
    fingerprint.finish()
}

#[test]
fn fingerprint() {
    check((value(), value()), |(one, other)| {
        let plain = one.to_string();
        for spelled in [respell(&one), serde_json::to_string_pretty(&one).unwrap()] {
            assert_eq!(digest(&plain), digest(&spelled), "{plain} and {spelled}");
        }
        assert_eq!(digest(&plain) == digest(&other.to_string()), one == other, "{one} and {other}");
    });
}

#[test]
fn depth() {
    let nested = |open: &str, times: usize| open.repeat(times);
    let samples =
        [nested("[", 127), nested("[{\"a\":", 64), nested("[", 129), format!("\"{}", nested("[", 200)), JOB.to_owned()];
    check(bytes(&samples.each_ref().map(|sample| sample.as_bytes())), |text| {
        // serde_json gives up at the same depth, so that what we let pass can be read by whoever uses it.
        let read = serde_json::from_slice::<Value>(&text);
        assert!(!(too_deep(&text) && read.is_ok()), "refused, but {read:?}");
    });
}

#[test]
fn what_is_written() {
    check((any::<String>(), any::<String>(), option::of(any::<f64>()), any::<i64>()), |(name, text, float, number)| {
        let mut out = Json::default();
        out.begin();
        out.foreign_key(&name).text(&text);
        out.key("float").float(float.unwrap_or(f64::NAN));
        out.key("seconds").seconds(number);
        out.end();
        let written = String::from_utf8(out.into_vec()).unwrap();
        let value: Value = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert!(value[&name] == text || matches!(name.as_str(), "float" | "seconds"), "{written}");
        // What is meant here is that it is a number; how exactly it reads is up to the reader.
        assert_eq!(value["float"].is_number(), float.is_some_and(f64::is_finite), "{written}");
    });
}
