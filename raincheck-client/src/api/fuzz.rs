//! The wire shapes, read from what a newer, older or broken server may send.

use std::time::Duration;

use raincheck_fuzz::proptest::prelude::any;
use raincheck_fuzz::{bytes, check, texts};
use serde::{Serialize, de::DeserializeOwned};

use super::*;

#[test]
fn duration() {
    check(texts(&["500ms", "90s", "15m", "2h", "7d", "30", "18446744073709551615ms"]), |text| {
        let Ok(read) = text.parse::<WireDuration>() else { return };
        assert_eq!(read.to_string().parse(), Ok(read), "{text:?}");
    });
    check(any::<u64>(), |millis| {
        let given = WireDuration(Duration::from_millis(millis));
        let text = serde_json::to_string(&given).unwrap();
        assert_eq!(serde_json::from_str::<WireDuration>(&text).unwrap(), given);
    });
}

#[test]
fn answers() {
    let job = r#"{"id":"01a1fd23-8ee3-7000-8398-19e845bebfe0","kind":"k","method":"POST","queue":"default","state":"succeeded","done":true,"priority":-3,"attempt":1,"failures":0,"max_attempts":5,"seq":3,"progress":{"percent":42.5,"data":{"a":[1]}},"eta_seconds":1,"created_at":"2026-11-21T08:00:00.000Z","result":{"href":"/r","size":4,"value":{"x":1}},"error":null,"tags":{"a":"b"},"links":{"self":"/jobs/1"},"newer":[{}]}"#;
    let lease = r#"{"lease":"1.1.x","attempt":1,"ttl_seconds":30,"heartbeat_seconds":10,"traceparent":null,"tracestate":null,"job":{"state":"running","input":{"n":1}}}"#;
    let event = r#"{"seq":1,"job":"1","type":"progress","state":"running","attempt":1,"at":"2026-11-21T08:00:00Z","cursor":"x","data":{"percent":1}}"#;
    let samples = [
        job,
        lease,
        event,
        &format!(r#"{{"items":[{job}],"next_cursor":"1.ab"}}"#),
        &format!(r#"{{"items":[{event}],"next_after":"x","done":false}}"#),
        &format!(
            r#"{{"leases":[{lease}],"finished":[{{"lease":"1.1.x","problem":{{"type":"/problems/lease-lost"}}}}]}}"#
        ),
        r#"{"lease":"1.1.x","ttl_seconds":1e308,"cancel_requested":true}"#,
        r#"{"name":"default","paused":false,"max_queued":1000000,"concurrency":null,"queued":3,"drain_rate":0.5}"#,
    ];
    check(bytes(&samples.map(str::as_bytes)), |text| {
        same::<Job>(&text);
        same::<Event>(&text);
        same::<Problem>(&text);
        let _ = serde_json::from_slice::<JobPage>(&text);
        let _ = serde_json::from_slice::<EventPage>(&text);
        let _ = serde_json::from_slice::<HeartbeatAnswer>(&text);
        let _ = serde_json::from_slice::<Queue>(&text);
        let answer = serde_json::from_slice::<LeaseAnswer>(&text).unwrap_or_default();
        let leases = answer.leases.into_iter().chain(serde_json::from_slice(&text));
        for lease in leases {
            let pause = lease.heartbeat();
            assert!(pause >= Duration::from_millis(100) && pause <= Duration::from_hours(24), "{pause:?}");
        }
    });
}

/// What was read and is written reads the same.
fn same<T: Serialize + DeserializeOwned>(text: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(text) else { return };
    let written = serde_json::to_string(&read).unwrap();
    let again: T = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
    assert_eq!(serde_json::to_string(&again).unwrap(), written);
}

#[test]
fn failure_of_a_run() {
    let texts = || raincheck_fuzz::proptest::option::of(any::<String>());
    let pause = raincheck_fuzz::proptest::option::of(any::<u64>());
    check((texts(), texts(), texts(), 1..2_000usize, pause), |(kind, title, detail, times, pause)| {
        let detail = detail.map(|detail| detail.repeat(times));
        let retry_after = pause.map(|seconds| WireDuration(Duration::from_secs(seconds)));
        let failure = Failure { error: FailureError { kind, title, detail }, retryable: true, retry_after };
        let taken = failure.clone().acceptable();
        let FailureError { kind, title, detail } = &taken.error;
        for (text, whole, most) in [
            (kind, &failure.error.kind, 256),
            (title, &failure.error.title, 1_024),
            (detail, &failure.error.detail, 64 << 10),
        ] {
            let (text, whole) = (text.as_deref().unwrap_or_default(), whole.as_deref().unwrap_or_default());
            assert!(text.len() <= most && whole.starts_with(text), "{} of {} bytes", text.len(), whole.len());
            assert!(text.len() == whole.len() || text.len() > most - 4, "cut to {} bytes", text.len());
        }
        assert!(taken.retry_after.is_none_or(|pause| pause.0 <= Duration::from_hours(24 * 3_650)));
    });
}
