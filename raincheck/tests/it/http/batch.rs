//! Many jobs in one request: asked for again under a request id, and refused with the place of what is wrong.

use raincheck_core::{JobRequest, Refusal};
use raincheck_engine::{SubmitError, Taken};
use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{Reply, TestServer, path, send, text};

fn ids(reply: &Reply) -> Vec<String> {
    reply.json()["jobs"].as_array().unwrap().iter().map(|job| text(&job["id"]).to_owned()).collect()
}

#[tokio::test]
async fn a_batch_again_is_the_same_jobs() {
    let server = TestServer::new().await;
    let jobs =
        json!([{"kind": "k", "input": {"a": 1, "b": 2}}, {"kind": "l", "queue": "other", "key": "x"}, {"kind": "k"}]);
    let first = server.post("/jobs/batch", json!({"jobs": jobs, "request_id": "r 1"})).await;
    first.is(202);
    assert_eq!((first.header("idempotency-replayed"), &first.json()["replayed"]), ("", &json!(0)));

    // The members of an object have no order.
    let text = r#"{"request_id":"r 1", "jobs":[{"input":{"b":2,  "a":1},"kind":"k"}, {"queue":"other","key":"x","kind":"l"},
        {"kind":"k"}]}"#;
    let request = server.ask(Method::POST, "/jobs/batch").header("content-type", "application/json").body(text);
    let again = send(request).await;
    again.is(202);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(ids(&again), ids(&first));
    assert_eq!((&again.json()["replayed"], &again.json()["coalesced"]), (&json!(3), &json!(0)));
    assert_eq!(again.json()["jobs"][1]["key"], "x");
    assert_eq!(server.get("/queues/default").await.json()["queued"], 2);

    for other in [
        json!([jobs[0], jobs[1]]),
        json!([jobs[2], jobs[1], jobs[0]]),
        json!([{"kind": "k", "input": 1}, jobs[1], jobs[2]]),
        json!([jobs[0], {"kind": "l", "queue": "other", "key": "y"}, jobs[2]]),
    ] {
        let refused = server.post("/jobs/batch", json!({"jobs": other, "request_id": "r 1"})).await;
        assert_eq!(refused.is(422).slug(), "idempotency-key-reused");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/request_id");
    }
    let other = server.post("/jobs/batch", json!({"jobs": [{"kind": "k"}], "request_id": "r 2"})).await;
    assert_eq!(other.is(202).json()["replayed"], 0);
    assert_eq!(server.get("/queues/default").await.json()["queued"], 3);
}

#[tokio::test]
async fn a_batch_again_shows_its_jobs_as_they_are() {
    let server = TestServer::new().await;
    let batch = json!({"jobs": [{"kind": "k"}, {"kind": "l", "label": "second"}], "request_id": "r"});
    let first = server.post("/jobs/batch", batch.clone()).await;
    first.is(202);
    server.complete("k", json!(1)).await;
    let again = server.post("/jobs/batch", batch.clone()).await.is(202).json();
    assert_eq!((&again["jobs"][0]["state"], &again["jobs"][1]["state"]), (&json!("succeeded"), &json!("queued")));
    send(server.ask(Method::DELETE, &path(&again["jobs"][0]))).await.is(204);
    let again = server.post("/jobs/batch", batch.clone()).await;
    again.is(202);
    assert_eq!(ids(&again), ids(&first));
    let handle = format!("{}{}", server.url, path(&first.json()["jobs"][0]));
    let gone = json!({"id": first.json()["jobs"][0]["id"], "done": true, "purged": true, "links": {"self": handle}});
    assert_eq!(again.json()["jobs"][0], gone);
    assert_eq!(again.json()["jobs"][1]["label"], "second");
    assert_eq!(server.get(&path(&again.json()["jobs"][0])).await.is(410).slug(), "purged");
}

#[tokio::test]
async fn what_is_no_request_id_is_said() {
    let server = TestServer::new().await;
    for (id, is_good) in [
        (json!("a"), true),
        (json!("x".repeat(255)), true),
        (json!(""), false),
        (json!("x".repeat(256)), false),
        (json!("a\u{7}"), false),
        (json!(7), false),
    ] {
        let reply = server.post("/jobs/batch", json!({"jobs": [{"kind": "k"}], "request_id": id})).await;
        if is_good {
            reply.is(202);
        } else {
            assert_eq!(reply.is(422).slug(), "validation");
            assert_eq!(reply.json()["errors"][0]["pointer"], "/request_id", "{id}");
        }
    }
    server.post("/jobs/batch", json!({"jobs": [{"kind": "k"}], "request_id": null})).await.is(202);
    let both = server.post("/jobs/batch", json!({"jobs": [{"kind": "!"}], "request_id": ""})).await.is(422).json();
    assert_eq!(both["errors"].as_array().unwrap().len(), 2);
    let header =
        server.ask(Method::POST, "/jobs/batch").header("idempotency-key", "a").json(&json!({"jobs": [{"kind": "k"}]}));
    let refused = send(header).await;
    assert_eq!(refused.is(400).slug(), "invalid-idempotency-key");
    assert!(text(&refused.json()["detail"]).contains("`request_id`"));
}

/// A program with the engine inside it asks for the same batch in the same words.
#[tokio::test]
async fn what_is_submitted_inside_is_the_same_batch_as_over_http() {
    let server = TestServer::new().await;
    let input = || raincheck_engine::json(r#"{"b": 1, "a": 2}"#);
    let requests = |label| {
        let second = JobRequest { kind: "l", key: Some("x"), label, ..JobRequest::default() };
        [(JobRequest { kind: "k", ..JobRequest::default() }, input()), (second, input())]
    };
    let new = |label| server.engine.new_batch("r", requests(label)).unwrap();
    let Taken::Now(made) = server.engine.submit_batch(new(None)).await.unwrap() else { panic!("taken before") };
    let jobs = json!([{"input": {"a": 2, "b": 1}, "kind": "k"}, {"kind": "l", "key": "x", "input": {"a": 2, "b": 1}}]);
    let again = server.post("/jobs/batch", json!({"jobs": jobs, "request_id": "r"})).await;
    assert_eq!(again.is(202).header("idempotency-replayed"), "true");
    assert_eq!(ids(&again), made.iter().map(|one| one.job().id.to_string()).collect::<Vec<_>>());
    let other = server.engine.submit_batch(new(Some("another"))).await;
    assert!(matches!(other, Err(SubmitError::Refused { refusal: Refusal::BatchReused, .. })));
    let same = server.engine.submit_batch(new(None)).await.unwrap();
    assert!(matches!(same, Taken::Again(all) if all.len() == 2));
    let wrong = server.engine.new_batch("r", [(JobRequest { kind: "!", ..JobRequest::default() }, input())]);
    assert_eq!(wrong.unwrap_err().0, 0);
    assert!(server.engine.new_batch("", requests(None)).is_err());
}

/// Whatever a job is refused for, the place of the job stands before the member's.
#[tokio::test]
async fn every_refusal_names_its_job() {
    let server = TestServer::new().await;
    let good = json!({"kind": "k"});
    server.submit(json!({"kind": "k", "key": "taken", "input": 1})).await;
    let purged = server.submit(json!({"kind": "purged", "key": "purged"})).await;
    server.complete("purged", json!(1)).await;
    send(server.ask(Method::DELETE, &path(&purged))).await.is(204);
    send(server.ask(Method::PATCH, "/queues/full").json(&json!({"max_queued": 0}))).await.is(200);
    let deep: Value = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let long = json!("x".repeat(300));
    for (bad, status, slug, pointer) in [
        (json!({"kind": "k", "input": deep}), 400, "invalid-request", "/input"),
        (json!({"kind": "k", "key": "taken", "input": 2}), 422, "idempotency-key-reused", "/key"),
        (json!({"kind": "k", "key": "first", "input": 2}), 422, "idempotency-key-reused", "/key"),
        (json!({"kind": "k", "key": "purged"}), 410, "purged", "/key"),
        (json!({"kind": "k", "queue": "full"}), 503, "queue-full", "/queue"),
        (json!({}), 422, "validation", "/kind"),
        (json!({"kind": 1}), 422, "validation", "/kind"),
        (json!({"kind": "!"}), 422, "validation", "/kind"),
        (json!({"kind": "k", "queue": "!"}), 422, "validation", "/queue"),
        (json!({"kind": "k", "nope": 1}), 422, "validation", "/nope"),
        (json!({"kind": "k", "label": long}), 422, "validation", "/label"),
        (json!({"kind": "k", "key": ""}), 422, "validation", "/key"),
        (json!({"kind": "k", "method": "PUT"}), 422, "validation", "/method"),
        (json!({"kind": "k", "priority": 101}), 422, "validation", "/priority"),
        (json!({"kind": "k", "delay": "soon"}), 422, "validation", "/delay"),
        (json!({"kind": "k", "run_at": "soon"}), 422, "validation", "/run_at"),
        (json!({"kind": "k", "start_by": "soon"}), 422, "validation", "/start_by"),
        (json!({"kind": "k", "timeout": 0}), 422, "validation", "/timeout"),
        (json!({"kind": "k", "max_age": "1m"}), 422, "validation", "/max_age"),
        (json!({"kind": "k", "on_lost": "weep"}), 422, "validation", "/on_lost"),
        (json!({"kind": "k", "retry": {"max_attempts": 0}}), 422, "validation", "/retry/max_attempts"),
        (json!({"kind": "k", "retry": {"nope": 0}}), 422, "validation", "/retry/nope"),
        (json!({"kind": "k", "retention": {"failed": "30y"}}), 422, "validation", "/retention/failed"),
        (json!({"kind": "k", "tags": {"a/b": long}}), 422, "validation", "/tags/a~1b"),
        (json!({"kind": "k", "tags": 1}), 422, "validation", "/tags"),
        (json!([]), 422, "validation", ""),
    ] {
        let keyed = json!({"kind": "k", "key": "first", "input": 1});
        let reply = server.post("/jobs/batch", json!({"jobs": [good, keyed, bad], "request_id": "r"})).await;
        assert_eq!(reply.is(status).slug(), slug, "{bad}");
        assert_eq!(reply.json()["errors"][0]["pointer"], format!("/jobs/2{pointer}"), "{bad}");
    }
    let twice = json!([good, {"kind": "k", "key": "x", "input": 1}, {"kind": "k", "key": "x", "input": 2}]);
    let says = server.post("/jobs/batch", json!({"jobs": twice})).await.is(422).json()["errors"][0]["detail"].clone();
    assert_eq!(says, "is also that of /jobs/1, which has other content");
    let body = r#"{"jobs":[{"kind":"k"},{"kind":"k","label":"a","label":"b"}]}"#;
    let request = server.ask(Method::POST, "/jobs/batch").header("content-type", "application/json").body(body);
    assert_eq!(send(request).await.is(400).json()["errors"][0]["pointer"], "/jobs/1/label");
    // None of it was remembered.
    let taken = server.post("/jobs/batch", json!({"jobs": [good], "request_id": "r"})).await;
    assert_eq!(taken.is(202).json()["replayed"], 0);
    assert_eq!(server.get("/queues/default").await.json()["queued"], 2);
}
