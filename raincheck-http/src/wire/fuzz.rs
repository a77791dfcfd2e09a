//! Bodies from outside: what is accepted is what it should be, what is refused says so in a known way.

use std::collections::HashSet;

use raincheck_core::{Deadline, Progress, limits};
use raincheck_engine::wire::write_progress;
use raincheck_fuzz::{bytes, check, texts};
use serde::Deserialize;
use serde_json::Value;

use super::lease::ErrorBody;
use super::*;
use crate::problem::Problem;

const JOB: &str = r#"{"kind":"video.compress","input":{"file":"a.mp4","a":[1,2.50,null]},"label":"x","queue":"media","key":"k-1","method":"GET","priority":-100,"delay":"10m","run_at":"2027-01-31T08:00:00Z","start_by":"2h","timeout":3600,"retry":{"max_attempts":3,"initial":"1s","factor":2.5,"max":"10m","jitter":true},"retention":{"succeeded":"3d","failed":"90d"},"max_age":"5m","on_lost":"fail","max_losses":0,"tags":{"a":"1","b":"é"}}"#;

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
    "max_losses",
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
    problem.write(&mut out, raincheck_engine::wire::BaseUrl::NONE);
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
    let batch = format!(r#"{{"jobs":[{JOB},{{"kind":"k"}}],"request_id":"r"}}"#);
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
        reads::<BatchBody<'_>>(&body, &["jobs", "request_id"]);
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
fn moment() {
    let samples = ["2027-01-31T08:00:00Z", "2026-11-21T06:00:00.123456789+02:00", "2h", "90", ""];
    check(texts(&samples), |text| match Moment::parse(&text) {
        Some(Moment(Deadline::At(at))) => assert_eq!(time::parse(&text), Some(at)),
        Some(Moment(Deadline::In(millis))) => assert!(millis >= 0 && time::parse(&text).is_none(), "{text:?}"),
        None => assert_eq!(time::parse(&text), None),
    });
}
