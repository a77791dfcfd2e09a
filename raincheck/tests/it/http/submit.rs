//! Slow work in, a handle out.

use raincheck_core::{
    Deadline, Defaults, JobRequest, Method as JobMethod, OnLost, Policy, Refusal, Submitted, Timestamp,
};
use raincheck_engine::SubmitError;
use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, path, send, text};

#[tokio::test]
async fn accepted_with_a_handle() {
    let server = TestServer::new().await;
    let reply = server
        .post(
            "/jobs",
            json!({"kind": "video.compress", "label": "clip", "tags": {"b": "2", "a": "1"}, "input": {"x": [1, 2]}}),
        )
        .await;
    reply.is(202);
    let job = reply.json();
    let url = format!("{}{}", server.url, path(&job));
    assert_eq!(reply.header("location"), url);
    assert_eq!(reply.header("etag"), "W/\"1\"");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(job["state"], "queued");
    assert_eq!(job["waiting_for"], "no worker");
    assert_eq!((&job["queue"], &job["method"], &job["done"]), (&json!("default"), &json!("POST"), &json!(false)));
    assert_eq!(job["tags"], json!({"a": "1", "b": "2"}));
    assert_eq!(job["links"]["events"], format!("{url}/events"));
    assert_eq!(job["input"], json!(null), "the input is left out");
    let shown = server.get(&format!("{}?include=input", path(&job))).await.json();
    assert_eq!(shown["input"], json!({"x": [1, 2]}));
    assert_eq!(shown["position"], 1);
}

#[tokio::test]
async fn inputs_pass_byte_for_byte() {
    let server = TestServer::new().await;
    let input = r#"{ "b":1.00,  "a" : "\u0041", "a": 1e400, "z":null }"#;
    let body = format!("{{\"kind\":\"k\", \"input\":{input} }}");
    let reply = send(server.ask(Method::POST, "/jobs").body(body)).await;
    reply.is(202);
    let shown = server.get(&format!("{}?include=input", path(&reply.json()))).await;
    assert!(shown.text().contains(input), "{}", shown.text());
    let ask = json!({"kinds": ["k"], "wait": "5s"});
    let leased = server.post("/leases", ask).await;
    assert!(leased.text().contains(input), "{}", leased.text());
}

#[tokio::test]
async fn defaults_and_run_options() {
    let server = TestServer::new().await;
    let job = server
        .submit(json!({"kind": "k", "queue": "media", "priority": 7, "delay": "10m", "timeout": 90,
        "retry": {"max_attempts": 2, "initial": "1s", "factor": 2.5, "max": "1m", "jitter": false},
        "retention": {"succeeded": "1d"}, "start_by": "2h", "on_lost": "fail", "method": "GET", "max_age": "5m"}))
        .await;
    assert_eq!((&job["state"], &job["waiting_for"]), (&json!("scheduled"), &json!("time")));
    assert_eq!((&job["priority"], &job["max_attempts"], &job["queue"]), (&json!(7), &json!(2), &json!("media")));
    let at = server.submit(json!({"kind": "k", "run_at": "2099-01-01T01:00:00+01:00"})).await;
    assert_eq!(at["run_at"], "2099-01-01T00:00:00.000Z");
    let queue = server.get("/queues/media").await.is(200).json();
    assert_eq!(queue["scheduled"], 1);
}

#[tokio::test]
async fn a_wait_ends_with_the_result() {
    let server = TestServer::new().await;
    let waiting =
        send(server.ask(Method::POST, "/jobs").header("prefer", "respond-async, wait=30").json(&json!({"kind": "k"})));
    let (reply, _) = tokio::join!(waiting, server.complete("k", json!({"ok": 1})));
    reply.is(200);
    assert_eq!(reply.json()["result"]["value"], json!({"ok": 1}));
    assert_eq!(reply.header("preference-applied"), "wait=30");
    assert_eq!(reply.header("location"), reply.header("content-location"));
    assert!(!reply.headers.contains_key("retry-after"));

    let failing = send(server.ask(Method::POST, "/jobs?wait=30s").json(&json!({"kind": "k"})));
    let (reply, _) = tokio::join!(failing, server.fail("k"));
    reply.is(202);
    assert_eq!((&reply.json()["done"], &reply.json()["state"]), (&json!(true), &json!("failed")));

    let reply = send(server.ask(Method::POST, "/jobs").header("prefer", "wait=0").json(&json!({"kind": "k"}))).await;
    assert_eq!(reply.is(202).header("preference-applied"), "wait=0");
}

#[tokio::test]
async fn keys_replay_and_refuse() {
    let server = TestServer::new().await;
    let post = |key: &'static str, body: serde_json::Value| {
        send(server.ask(Method::POST, "/jobs").header("idempotency-key", key).json(&body))
    };
    let first = post("\"a b\"", json!({"kind": "k", "input": {"x": 1, "y": [1]}})).await;
    first.is(202);
    assert_eq!(first.json()["key"], "a b");
    assert!(!first.headers.contains_key("idempotency-replayed"));
    for same in [
        post("a b", json!({"input": {"y": [1], "x": 1}, "kind": "k"})).await,
        server.post("/jobs", json!({"kind": "k", "key": "a b", "input": {"x": 1, "y": [1]}})).await,
    ] {
        same.is(202);
        assert_eq!(same.header("idempotency-replayed"), "true");
        assert_eq!(same.header("location"), first.header("location"));
    }
    for other in [
        json!({"kind": "k", "input": {"x": 2}}),
        json!({"kind": "k"}),
        json!({"kind": "k", "input": {"x": 1, "y": [1]}, "label": "l"}),
    ] {
        let reply = post("a b", other).await;
        assert_eq!(reply.is(422).slug(), "idempotency-key-reused");
    }
    // Another queue is another scope.
    assert_ne!(
        post("a b", json!({"kind": "k", "queue": "q", "input": 1})).await.is(202).header("location"),
        first.header("location")
    );
    let found = server.get("/jobs?key=a%20b&queue=default").await.is(200).json();
    assert_eq!(found["items"][0]["id"], first.json()["id"]);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);

    server.complete("k", json!(1)).await;
    let done = post("a b", json!({"kind": "k", "input": {"x": 1, "y": [1]}})).await;
    done.is(200);
    assert_eq!(done.json()["result"]["value"], 1);
    assert_eq!(done.header("location"), first.header("location"));
}

#[tokio::test]
async fn broken_keys() {
    let server = TestServer::new().await;
    let long = "k".repeat(256);
    for keys in [&[""][..], &["a", "a"], &["\"a"], &["\"\""], &[long.as_str()]] {
        let mut request = server.ask(Method::POST, "/jobs").json(&json!({"kind": "k"}));
        for key in keys {
            request = request.header("idempotency-key", *key);
        }
        assert_eq!(send(request).await.is(400).slug(), "invalid-idempotency-key", "{keys:?}");
    }
    let differ =
        server.ask(Method::POST, "/jobs").header("idempotency-key", "a").json(&json!({"kind": "k", "key": "b"}));
    assert_eq!(send(differ).await.is(400).slug(), "invalid-idempotency-key");
    assert_eq!(server.get("/jobs").await.json()["items"], json!([]), "a refused submit made a job");
}

#[tokio::test]
async fn get_jobs_are_shared_and_kept() {
    let server = TestServer::new().await;
    let body = json!({"kind": "k", "method": "GET", "input": {"a": 1, "b": 2}});
    let first = server.post("/jobs", body.clone()).await;
    let second = send(
        server
            .ask(Method::POST, "/jobs")
            .header("content-type", "application/json")
            .body(r#"{"input":{"b":2,"a":1},"kind":"k","method":"GET"}"#),
    )
    .await;
    second.is(202);
    assert_eq!(second.header("raincheck-coalesced"), "true");
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(second.json()["shared"], 2);
    let other = server.post("/jobs", json!({"kind": "k", "method": "GET", "input": {"a": 1}})).await;
    assert_ne!(other.header("location"), first.header("location"));
    let later =
        server.post("/jobs", json!({"kind": "k", "method": "GET", "input": {"a": 1, "b": 2}, "delay": "1h"})).await;
    assert_ne!(later.header("location"), first.header("location"), "a delayed job is its own");

    assert_eq!(server.post(&format!("{}/cancel", path(&first.json())), json!(null)).await.is(409).slug(), "job-shared");
    server.complete("k", json!("kept")).await;
    let kept =
        server.post("/jobs", json!({"kind": "k", "method": "GET", "input": {"a": 1, "b": 2}, "max_age": "1m"})).await;
    kept.is(200);
    assert_eq!((kept.header("location"), &kept.json()["result"]["value"]), (first.header("location"), &json!("kept")));
    assert_eq!((kept.header("raincheck-cached"), kept.header("raincheck-coalesced")), ("true", ""));
    assert_eq!([&first, &second].map(|one| one.header("raincheck-cached")), ["", ""]);
    let anew = server.post("/jobs", body).await;
    assert_ne!(anew.is(202).header("location"), first.header("location"), "without max_age it is asked again");
}

#[tokio::test]
async fn ids_of_the_clients_own() {
    let server = TestServer::new().await;
    let path = "/jobs/9f1c2c3d-4e5f-4a6b-8c7d-123456789abc";
    let put = |body: serde_json::Value| server.ask(Method::PUT, path).json(&body);
    assert_eq!(server.get(path).await.is(404).slug(), "not-found");
    let new = send(put(json!({"kind": "k", "input": 1}))).await;
    new.is(201);
    assert!(!new.headers.contains_key("etag"));
    assert_eq!(new.header("location"), format!("{}{path}", server.url));
    send(put(json!({"input": 1, "kind": "k"}))).await.is(200);
    assert_eq!(send(put(json!({"kind": "k", "input": 2}))).await.is(409).slug(), "job-id-conflict");
    for input in [1, 2] {
        let only_new = put(json!({"kind": "k", "input": input})).header("if-none-match", "*");
        assert_eq!(send(only_new).await.is(412).slug(), "precondition-failed");
    }
    assert_eq!(server.get(path).await.is(202).json()["state"], "queued");
    let fresh = server
        .ask(Method::PUT, "/jobs/00000000-0000-4000-8000-000000000001")
        .header("if-none-match", "*")
        .json(&json!({"kind": "k"}));
    send(fresh).await.is(201);
    // A key that stands for another id: answering that job would leave nothing under this one.
    let keyed = |last| {
        let path = format!("/jobs/00000000-0000-4000-8000-00000000000{last}");
        send(server.ask(Method::PUT, &path).json(&json!({"kind": "keyed", "key": "x"})))
    };
    keyed(2).await.is(201);
    keyed(2).await.is(200);
    assert_eq!(keyed(3).await.is(422).slug(), "idempotency-key-reused");
    server.complete("k", json!(1)).await;
    send(put(json!({"kind": "k", "input": 1}))).await.is(200);
    assert_eq!(send(server.ask(Method::DELETE, path)).await.is(204).header("cache-control"), "no-store");
    assert_eq!(send(put(json!({"kind": "k", "input": 1}))).await.is(410).slug(), "purged");
}

#[tokio::test]
async fn batches_are_all_or_none() {
    let server = TestServer::new().await;
    let jobs: Vec<_> = (0..1_000).map(|n| json!({"kind": "k", "input": n})).collect();
    let reply = server.post("/jobs/batch", json!({"jobs": jobs})).await;
    reply.is(202);
    assert_eq!(reply.json()["jobs"].as_array().unwrap().len(), 1_000);
    for (jobs, pointer) in [
        (json!([{"kind": "k"}, {"kind": "k!"}]), "/jobs/1/kind"),
        (json!([{"kind": "k"}, {"kind": "k", "nope": 1}]), "/jobs/1/nope"),
        (json!([]), "/jobs"),
        (json!((0..1_001).map(|_| json!({"kind": "k"})).collect::<Vec<_>>()), "/jobs"),
    ] {
        let reply = server.post("/jobs/batch", json!({"jobs": jobs})).await;
        assert_eq!(reply.is(422).slug(), "validation");
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer);
    }
    let reused = json!({"jobs": [{"kind": "k", "key": "x", "input": 1}, {"kind": "k", "key": "x", "input": 2}]});
    let reply = server.post("/jobs/batch", reused).await;
    assert_eq!(reply.is(422).slug(), "idempotency-key-reused");
    assert!(text(&reply.json()["errors"][0]["pointer"]).starts_with("/jobs/1"));
    assert_eq!(server.get("/queues/default").await.json()["queued"], 1_000, "a refused batch made jobs");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again() {
    let server = TestServer::new().await;
    send(server.ask(Method::PATCH, "/queues/default").json(&json!({"max_queued": 1}))).await.is(200);
    let key = |key: &str| server.ask(Method::POST, "/jobs").header("idempotency-key", key).json(&json!({"kind": "k"}));
    send(key("a")).await.is(202);
    let full = send(key("b")).await;
    assert_eq!(full.is(503).slug(), "queue-full");
    assert!(full.header("retry-after").parse::<u64>().unwrap() >= 1);
    let says = text(&full.json()["detail"]).to_owned();
    assert!(says.contains("at most 1 jobs may wait in queue default") && says.contains("`max_queued`"), "{says}");
    send(key("a")).await.is(202);
    server.complete("k", json!(1)).await;
    // A refusal is never remembered under a key.
    let later = send(key("b")).await;
    assert!(later.is(202).header("idempotency-replayed").is_empty());
}

#[tokio::test]
async fn queues_of_the_configuration_only() {
    let server = TestServer::new().await;
    let mut defaults = Defaults { auto_queues: false, ..Default::default() };
    defaults.queues.insert(raincheck_core::Name::new("default").unwrap(), Default::default());
    server.engine.set_defaults(defaults);
    server.submit(json!({"kind": "k"})).await;
    assert_eq!(
        server.post("/jobs", json!({"kind": "k", "queue": "other"})).await.is(422).json()["errors"][0]["pointer"],
        "/queue"
    );
}

/// A queue that stands in the file has to be stopped at night, too, by whoever may not change the file.
#[tokio::test]
async fn a_queue_of_the_configuration_can_be_paused_but_its_limits_stand_there() {
    let server = TestServer::new().await;
    let mut defaults = Defaults::default();
    defaults.queues.insert(raincheck_core::Name::new("default").unwrap(), Default::default());
    server.engine.set_defaults(defaults);
    let patch = |settings| send(server.ask(Method::PATCH, "/queues/default").json(&settings));
    for limits in [json!({"concurrency": 1}), json!({"max_queued": null}), json!({"paused": true, "max_queued": 5})] {
        assert_eq!(patch(limits).await.is(409).slug(), "managed-by-config");
    }
    assert_eq!(patch(json!({"paused": true})).await.is(200).json()["paused"], true);
    assert_eq!(patch(json!({"paused": false})).await.is(200).json()["paused"], false);
}

/// A program with the engine inside it asks for the same thing in the same words.
#[tokio::test]
async fn what_is_submitted_inside_is_the_same_as_over_http() {
    let server = TestServer::new().await;
    let tags = [("b", "2"), ("a", "1")].map(|(name, value)| (Box::from(name), Box::from(value)));
    let request = JobRequest {
        kind: "k",
        queue: Some("q"),
        label: Some("clip"),
        key: Some("once"),
        id: None,
        method: Some(JobMethod::Get),
        priority: Some(7),
        delay: None,
        run_at: Some(Timestamp(4_070_908_800_000)),
        start_by: Some(Deadline::In(7_200_000)),
        max_age: Some(300_000),
        policy: Policy {
            timeout: Some(90_000),
            on_lost: Some(OnLost::Fail),
            max_losses: Some(7),
            max_attempts: Some(2),
            retry_initial: Some(1_000),
            retry_factor: Some(2.5),
            retry_max: Some(60_000),
            retry_jitter: Some(false),
            keep_succeeded: Some(86_400_000),
            keep_failed: Some(0),
        },
        tags: &tags,
    };
    let input = raincheck_engine::json(r#"{"b": [1, 2.50], "a": "\u00e9"}"#);
    let new = server.engine.new_job(&request, input.clone()).unwrap();
    let id = server.engine.submit(vec![new]).await.unwrap()[0].job().id;
    let body = r#"{"input":{"a":"é","b":[1,2.50]},"tags":{"a":"1","b":"2"},"on_lost":"fail","max_losses":7,"max_age":"5m","start_by":"2h",
        "retention":{"failed":0,"succeeded":"1d"},"retry":{"jitter":false,"max":"1m","factor":2.5,"initial":"1s",
        "max_attempts":2},"timeout":90,"run_at":"2099-01-01T01:00:00+01:00","priority":7,"method":"GET","key":"once",
        "label":"clip","queue":"q","kind":"k"}"#;
    let replayed = send(server.ask(Method::POST, "/jobs").body(body)).await;
    assert_eq!(replayed.is(202).header("idempotency-replayed"), "true");
    assert_eq!(replayed.json()["id"], id.to_string());
    let other = JobRequest { label: Some("another"), ..request };
    let new = server.engine.new_job(&other, input).unwrap();
    let refused = server.engine.submit(vec![new]).await;
    assert!(matches!(refused, Err(SubmitError::Refused { refusal: Refusal::KeyReused(kept), .. }) if kept == id));
    // And the other way round, where there is no key.
    let first = server.post("/jobs", json!({"kind": "k", "method": "GET", "input": {"b": 1, "a": 2}})).await;
    let equal = JobRequest { kind: "k", method: Some(JobMethod::Get), ..JobRequest::default() };
    let input = raincheck_engine::json(r#"{"a":2,"b":1}"#);
    let new = server.engine.new_job(&equal, input).unwrap();
    let joined = server.engine.submit(vec![new]).await.unwrap();
    assert!(matches!(&joined[0], Submitted::Coalesced(job) if first.json()["id"] == job.id.to_string()));
    let message = server.engine.new_job(&equal, raincheck_engine::json("{")).unwrap_err().to_string();
    assert!(message.starts_with("the request is not valid: input is not valid JSON"), "{message}");
}

#[tokio::test]
async fn a_raw_submit_has_no_more_tags_than_another() {
    let server = TestServer::new().await;
    let raw = async |count: usize| {
        let tags: Vec<String> = (0..count).map(|n| format!("tag.{n}=x")).collect();
        send(server.ask(Method::POST, &format!("/kinds/k/jobs?{}", tags.join("&"))).body("x")).await
    };
    assert_eq!(raw(32).await.is(202).json()["tags"].as_object().unwrap().len(), 32);
    assert_eq!(raw(33).await.is(422).json()["errors"][0]["pointer"], "/tags");
}
