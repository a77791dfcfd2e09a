//! What a change takes for granted: `If-Match` of jobs and queues.

use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{Reply, TestServer, path, send, text};

async fn ask(server: &TestServer, method: Method, target: &str, tag: &str) -> Reply {
    send(server.ask(method, target).header("if-match", tag)).await
}

fn is_refused(reply: &Reply) {
    assert_eq!(reply.is(412).slug(), "precondition-failed");
}

#[tokio::test]
async fn a_job_that_has_changed_is_left_alone() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "delay": "1h"})).await);
    let seen = server.get(&job).await.header("etag").to_owned();
    assert_eq!(seen, "W/\"1\"");
    ask(&server, Method::POST, &format!("{job}/run-now"), &seen).await.is(202);
    for act in ["run-now", "cancel", "rerun"] {
        is_refused(&ask(&server, Method::POST, &format!("{job}/{act}"), &seen).await);
    }
    is_refused(&ask(&server, Method::DELETE, &job, &seen).await);
    is_refused(&ask(&server, Method::GET, &job, &seen).await);
    let now = server.get(&job).await;
    assert_eq!((now.json()["state"].clone(), now.json()["cancel_requested"].clone()), (json!("queued"), json!(false)));
    let now = now.header("etag").to_owned();
    // Weak or not, one of several, or whatever there is.
    ask(&server, Method::GET, &job, &now).await.is(202);
    ask(&server, Method::GET, &job, "*").await.is(202);
    assert_eq!(ask(&server, Method::DELETE, &job, &now).await.is(409).slug(), "job-not-finished");
    let listed = format!("\"77\", {}", now.trim_start_matches("W/"));
    assert_eq!(ask(&server, Method::POST, &format!("{job}/cancel"), &listed).await.is(200).json()["state"], "canceled");
    let done = server.get(&format!("{job}?on_failure=200")).await.header("etag").to_owned();
    is_refused(&ask(&server, Method::POST, &format!("{job}/rerun"), &now).await);
    ask(&server, Method::POST, &format!("{job}/rerun"), &done).await.is(202);
    is_refused(&ask(&server, Method::DELETE, &job, "\"\"").await);
    for wrong in ["", "*, \"1\""] {
        assert_eq!(ask(&server, Method::DELETE, &job, wrong).await.is(400).slug(), "invalid-request", "{wrong:?}");
    }
    let other = server.ask(Method::DELETE, &job).header("if-none-match", &done);
    assert_eq!(send(other).await.is(400).slug(), "invalid-request");
    ask(&server, Method::DELETE, &job, &done).await.is(204);
    ask(&server, Method::DELETE, &job, "*").await.is(410);
}

#[tokio::test]
async fn put_of_a_job_may_want_it_to_be_there() {
    let server = TestServer::new().await;
    let id = format!("/jobs/{}", uuid::Uuid::nil());
    let put =
        async |tag: &str, body: Value| send(server.ask(Method::PUT, &id).header("if-match", tag).json(&body)).await;
    let body = json!({"kind": "k"});
    is_refused(&put("*", body.clone()).await);
    is_refused(&put("W/\"1\"", body.clone()).await);
    server.get(&id).await.is(404);
    send(server.ask(Method::PUT, &id).json(&body)).await.is(201);
    put("*", body.clone()).await.is(200);
    put("W/\"1\"", body.clone()).await.is(200);
    assert_eq!(put("W/\"1\"", json!({"kind": "other"})).await.is(409).slug(), "job-id-conflict");
    is_refused(&put("W/\"2\"", body.clone()).await);
    let both = server.ask(Method::PUT, &id).header("if-match", "*").header("if-none-match", "*");
    assert_eq!(send(both.json(&body)).await.is(400).slug(), "invalid-request");
}

#[tokio::test]
async fn settings_of_a_queue_that_have_changed_are_left_alone() {
    let server = TestServer::new().await;
    let patch = async |tag: &str, body: Value| {
        send(server.ask(Method::PATCH, "/queues/q").header("if-match", tag).json(&body)).await
    };
    is_refused(&patch("*", json!({"paused": true})).await);
    server.get("/queues/q").await.is(404);
    server.submit(json!({"kind": "k", "queue": "q"})).await;
    let seen = server.get("/queues/q").await.is(200).header("etag").to_owned();
    let set = patch(&seen, json!({"paused": true, "concurrency": 3})).await;
    let next = set.is(200).header("etag").to_owned();
    assert!(!next.starts_with("W/") && next != seen, "{next}");
    assert_eq!(server.get("/queues/q").await.header("etag"), next);
    is_refused(&patch(&seen, json!({"paused": false})).await);
    is_refused(&patch("\"nonsense\"", json!({"paused": false})).await);
    is_refused(&patch(&format!("{seen}, \"x\""), json!({"paused": false})).await);
    assert_eq!(server.get("/queues/q").await.json()["paused"], true);
    // Figures come and go, the settings stay.
    server.submit(json!({"kind": "k", "queue": "q"})).await;
    patch(&format!("{seen}, {next}"), json!({"max_queued": 7})).await.is(200);
    patch("*", json!({"paused": false})).await.is(200);
    let none = server.ask(Method::PATCH, "/queues/q").header("if-none-match", "*").json(&json!({"paused": true}));
    assert_eq!(send(none).await.is(400).slug(), "invalid-request");
}

#[tokio::test]
async fn bytes_that_are_others_are_not_sent() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "input": {"a": 1}})).await);
    let lease = server.lease("k").await;
    let lease = format!("/leases/{}", text(&lease["lease"]));
    let input = format!("{lease}/input");
    let etag = server.get(&input).await.is(200).header("etag").to_owned();
    ask(&server, Method::GET, &input, &etag).await.is(200);
    is_refused(&ask(&server, Method::GET, &input, "\"other\"").await);
    server.post(&format!("{lease}/complete"), json!("a result")).await.is(200);
    let result = format!("{job}/result");
    let etag = server.get(&result).await.is(200).header("etag").to_owned();
    let part = server.ask(Method::GET, &result).header("range", "bytes=1-3").header("if-match", &etag);
    assert_eq!(send(part).await.is(206).text(), "a r");
    ask(&server, Method::GET, &result, &format!("\"x\", {etag}")).await.is(200);
    is_refused(&ask(&server, Method::GET, &result, &format!("W/{etag}")).await);
}
