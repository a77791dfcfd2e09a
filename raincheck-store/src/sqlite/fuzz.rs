//! A row is read as it was written, and one that another version or a broken disk wrote is an error, no panic.

use raincheck_core::{EventData, EventType, Progress};
use raincheck_fuzz::proptest::prelude::*;
use raincheck_fuzz::proptest::{collection::vec, option};
use raincheck_fuzz::{check, texts};

use crate::codec;

/// What is read and written again reads the same.
fn settles<T, E: std::fmt::Display>(text: &str, read: fn(&str) -> Result<T, E>, write: impl Fn(&T) -> String) {
    let Ok(value) = read(text) else { return };
    let written = write(&value);
    let again = read(&written).unwrap_or_else(|error| panic!("{text:?} was written as {written:?}: {error}"));
    assert_eq!(write(&again), written, "{text:?}");
}

#[test]
fn stored_texts() {
    let samples = [
        r#"{"code":"job-failed","kind":"Boom","title":"it broke","detail":"all of it"}"#,
        r#"{"percent":42.5,"current":1,"total":18446744073709551615,"message":"é","data":{"a": [1e3]}}"#,
        r#"{"customer":"acme","é":"\u0000"}"#,
        r#"{"worker":"w-1"}"#,
        r#"{"failure":{"code":"job-lost"},"run_at":1763700000000}"#,
        r#"{"progress":{"percent":1e-7}}"#,
    ];
    check(texts(&samples), |text| {
        settles(&text, codec::failure, |failure| codec::failure_text(failure).unwrap());
        settles(&text, codec::progress, |progress| codec::progress_text(progress).unwrap());
        settles(&text, codec::tags, |tags| codec::tags_text(tags).unwrap().unwrap_or_else(|| "{}".to_owned()));
        for kind in EventType::ALL {
            let Ok(data) = codec::event_data(kind, Some(&text)) else { continue };
            assert_eq!(data.event_type(), kind);
            let written = codec::event_text(&data).unwrap();
            assert_eq!(codec::event_data(kind, written.as_deref()).unwrap(), data, "{text:?}");
        }
    });
}

#[test]
fn stored_progress() {
    let units = || option::of(any::<u64>());
    let texts = || option::of(any::<String>().prop_map(Into::into));
    let percent = option::of(0.0..=100.0f64);
    let progress = (percent, units(), units(), texts(), option::of(json_text()));
    check(progress, |(percent, current, total, message, data)| {
        let progress = Progress { percent, current, total, message, data: data.map(Into::into) };
        let written = codec::progress_text(&progress).unwrap();
        assert_eq!(codec::progress(&written).unwrap(), progress);
        let event = EventData::Progress(progress);
        let written = codec::event_text(&event).unwrap();
        assert_eq!(codec::event_data(EventType::Progress, written.as_deref()).unwrap(), event);
    });
}

#[test]
fn stored_tags() {
    check(vec(any::<(String, String)>(), 0..8), |mut tags| {
        tags.sort();
        tags.dedup_by(|a, b| a.0 == b.0);
        let tags: Vec<(Box<str>, Box<str>)> =
            tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let written = codec::tags_text(&tags).unwrap();
        assert_eq!(written.map_or(Vec::new(), |text| codec::tags(&text).unwrap()), tags);
    });
}

/// JSON as a client may have written it, kept byte for byte.
fn json_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("{\"a\" : [1, 2.50, {\"b\": null}]}".to_owned()),
        any::<i64>().prop_map(|number| format!("[ {number} ]")),
    ]
}
