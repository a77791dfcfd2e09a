//! What is told to those who watch over a server.

use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, send, text};
use crate::server::until;

const LIMIT: Duration = Duration::from_secs(20);

/// All of it, in the text format of Prometheus.
async fn told(server: &TestServer) -> String {
    server.get("/metrics").await.is(200).text()
}

/// One figure, by its name with all its labels.
fn figure(told: &str, name: &str) -> Option<f64> {
    told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until these are told: commits are counted just after they are answered.
async fn until_told(server: &TestServer, figures: &[(&str, f64)]) {
    for (name, value) in figures {
        until(&format!("{name} {value}"), LIMIT, async || figure(&told(server).await, name) == Some(*value)).await;
    }
}

/// The last bucket is that of everything (OpenMetrics 1.0, section 5.1.9), or no quantile can be worked out.
#[tokio::test]
async fn every_histogram_ends_with_a_bucket_of_all() {
    let server = TestServer::new().await;
    server.submit(json!({"kind": "k"})).await;
    server.complete("k", json!(1)).await;
    until_told(&server, &[("raincheck_kind_run_seconds_count{kind=\"k\"}", 1.0)]).await;
    let told = told(&server).await;
    let types = told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"));
    let mut seen = 0;
    for name in types {
        let bucket = format!("{name}_bucket{{le=\"");
        let ends: Vec<(&str, f64)> = told
            .lines()
            .filter_map(|line| line.strip_prefix(&bucket)?.split_once('"'))
            .map(|(end, rest)| (end, rest.rsplit_once(' ').unwrap().1.parse().unwrap()))
            .collect();
        let count = told.lines().find_map(|line| line.strip_prefix(&format!("{name}_count"))).unwrap();
        let (end, all) = *ends.last().unwrap();
        assert_eq!((end, all), ("+Inf", count.rsplit_once(' ').unwrap().1.parse().unwrap()), "{name}");
        assert!(ends.iter().all(|(end, _)| *end == "+Inf" || end.parse::<f64>().unwrap() < 1e6), "{ends:?}");
        seen += 1;
    }
    assert_eq!(seen, 3, "{told}");
}

/// A failed run is a failure, whether another one follows or not; a run that is answered twice was waited for once.
#[tokio::test]
async fn kinds_tell_how_their_jobs_waited_ran_and_ended() {
    let server = TestServer::new().await;
    server.submit(json!({"kind": "k", "retry": {"max_attempts": 2, "initial": "1ms"}})).await;
    let of = |name: &str, more: &str| format!("raincheck_kind_{name}{{kind=\"k\"{more}}}");
    let failures = |error: &str| of("failures_total", &format!(",error=\"job-{error}\""));
    let finished = |state: &str| of("jobs_finished_total", &format!(",state=\"{state}\""));
    // From the submit on, so that nothing is missed of what comes after.
    until_told(
        &server,
        &[(&failures("failed"), 0.0), (&finished("failed"), 0.0), (&of("wait_seconds_count", ""), 0.0)],
    )
    .await;

    let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 1, "wait": "10s", "request_id": "r1"});
    let lease = server.post("/leases", ask.clone()).await.is(200).json();
    let leased_at = SystemTime::now();
    until("the clock goes on", LIMIT, async || leased_at.elapsed().is_ok_and(|passed| passed.as_millis() > 1)).await;
    let again = server.post("/leases", ask).await.is(200).json();
    assert_eq!(lease["leases"][0]["lease"], again["leases"][0]["lease"]);
    assert_eq!(figure(&told(&server).await, &of("wait_seconds_count", "")), Some(1.0));

    let body = json!({"error": {"type": "Boom", "title": "it broke"}, "retryable": true});
    server.post(&format!("/leases/{}/fail", text(&lease["leases"][0]["lease"])), body).await.is(200);
    until_told(&server, &[(&failures("failed"), 1.0), (&finished("failed"), 0.0), (&of("run_seconds_count", ""), 1.0)])
        .await;
    server.fail("k").await;
    until_told(&server, &[(&failures("failed"), 2.0), (&finished("failed"), 1.0), (&of("run_seconds_count", ""), 2.0)])
        .await;

    // What never ran has no run, and fails all the same.
    server.submit(json!({"kind": "k", "start_by": "1ms"})).await;
    until_told(
        &server,
        &[(&failures("expired"), 1.0), (&finished("failed"), 2.0), (&of("run_seconds_count", ""), 2.0)],
    )
    .await;
    let job = server.submit(json!({"kind": "k"})).await;
    server.post(&format!("/jobs/{}/cancel", text(&job["id"])), json!({})).await;
    until_told(&server, &[(&finished("canceled"), 1.0)]).await;
    assert_eq!(figure(&told(&server).await, &of("wait_seconds_count", "")), Some(2.0));
}

#[tokio::test]
async fn queues_tell_what_waits_for_how_long_and_why() {
    let server = TestServer::new().await;
    let patch = json!({"paused": true, "max_queued": 7});
    send(server.ask(Method::PATCH, "/queues/held").json(&patch)).await.is(200);
    until_told(
        &server,
        &[
            ("raincheck_queue_paused{queue=\"held\"}", 1.0),
            ("raincheck_queue_max_jobs{queue=\"held\"}", 7.0),
            ("raincheck_queue_oldest_seconds{queue=\"held\"}", 0.0),
        ],
    )
    .await;
    server.submit(json!({"kind": "k", "queue": "held"})).await;
    server.submit(json!({"kind": "k", "queue": "later", "delay": "1h"})).await;
    until("a job that is ready grows old", LIMIT, async || {
        figure(&told(&server).await, "raincheck_queue_oldest_seconds{queue=\"held\"}").is_some_and(|age| age >= 1.0)
    })
    .await;
    let told = told(&server).await;
    assert_eq!(figure(&told, "raincheck_queue_oldest_seconds{queue=\"later\"}"), Some(0.0), "it is not ready yet");
    assert_eq!(figure(&told, "raincheck_queue_paused{queue=\"later\"}"), Some(0.0));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(figure(&told, &format!("raincheck_build_info{{version=\"{version}\"}}")), Some(1.0));
}

#[tokio::test]
async fn kinds_tell_whether_somebody_takes_what_is_ready() {
    let server = TestServer::new().await;
    server.submit(json!({"kind": "k"})).await;
    server.submit(json!({"kind": "later", "delay": "1h"})).await;
    let unserved = "raincheck_kind_unserved{kind=\"k\"}";
    let workers = "raincheck_kind_workers{kind=\"k\"}";
    until_told(&server, &[(unserved, 1.0), (workers, 0.0), ("raincheck_kind_unserved{kind=\"later\"}", 0.0)]).await;
    server.complete("k", json!(1)).await;
    server.submit(json!({"kind": "k"})).await;
    until_told(&server, &[(unserved, 0.0), (workers, 1.0)]).await;
}
