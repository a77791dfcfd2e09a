//! Cancel, run again, run now, purge.

use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{TestServer, path, send, text};

#[tokio::test]
async fn cancel() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let cancel = format!("{job}/cancel");
    assert_eq!(send(server.ask(Method::POST, &cancel)).await.is(200).json()["state"], "canceled");
    send(server.ask(Method::POST, &cancel)).await.is(200);

    let running = server.job().await;
    let lease = server.lease("k").await;
    let lease = text(&lease["lease"]);
    let beat = server.post("/leases/heartbeat", json!({"heartbeats": [{"lease": lease}], "wait": "30s"}));
    let cancel = format!("{running}/cancel");
    let (asked, beat) = tokio::join!(send(server.ask(Method::POST, &cancel)), beat);
    asked.is(202);
    assert_eq!((&asked.json()["cancel_requested"], &asked.json()["state"]), (&json!(true), &json!("running")));
    assert_eq!(beat.json()["heartbeats"][0]["cancel_requested"], true);
    let ended = server.post(&format!("/leases/{lease}/fail"), json!({"error": {"title": "stopped"}})).await;
    assert_eq!(ended.is(200).json()["state"], "canceled");

    let done = server.job().await;
    server.complete("k", json!(1)).await;
    let refused = send(server.ask(Method::POST, &format!("{done}/cancel"))).await;
    assert_eq!(refused.is(409).slug(), "job-finished");
    assert_eq!(refused.json()["job"]["state"], "succeeded");
    assert_eq!(refused.json()["detail"], "the job has succeeded");
}

#[tokio::test]
async fn rerun() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "input": {"n": 1}, "key": "x"})).await);
    let rerun = format!("{job}/rerun");
    assert_eq!(send(server.ask(Method::POST, &rerun)).await.is(409).slug(), "job-not-finished");
    server.fail("k").await;
    let again = send(server.ask(Method::POST, &rerun)).await;
    again.is(202);
    assert_eq!((path(&json!({"id": again.json()["rerun_of"]})), &again.json()["key"]), (job.clone(), &json!(null)));
    assert_eq!(again.header("location"), format!("{}{}", server.url, path(&again.json())));
    assert_eq!(server.lease("k").await["job"]["input"], json!({"n": 1}));
    let edited = server.post(&rerun, json!({"input": {"n": 2}})).await;
    edited.is(202);
    let leased = server.lease("k").await;
    assert_eq!(leased["job"]["input"], json!({"n": 2}));
    server.post(&format!("/leases/{}/complete", text(&leased["lease"])), json!(1)).await.is(200);
    let done = format!("{}/rerun", path(&edited.json()));
    assert_eq!(send(server.ask(Method::POST, &done)).await.is(409).slug(), "job-done");
    send(server.ask(Method::POST, &format!("{done}?force=true"))).await.is(202);
    assert_eq!(server.post(&rerun, json!({"nope": 1})).await.is(422).slug(), "validation");
}

#[tokio::test]
async fn rerun_that_is_asked_for_again() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "input": {"n": 1}, "key": "x"})).await);
    server.fail("k").await;
    let rerun = async |key: &str, body: Value| {
        let request = server.ask(Method::POST, &format!("{job}/rerun")).header("idempotency-key", key);
        send(request.json(&body)).await
    };
    let first = rerun("\"again\"; v=1", Value::Null).await;
    assert_eq!((first.is(202).header("idempotency-replayed"), &first.json()["key"]), ("", &json!("again")));
    let second = rerun("again", Value::Null).await;
    assert_eq!((second.is(202).header("idempotency-replayed"), &second.json()["id"]), ("true", &first.json()["id"]));
    assert_eq!(rerun("again", json!({"input": 2})).await.is(422).slug(), "idempotency-key-reused");
    assert_eq!(rerun("x", Value::Null).await.is(422).slug(), "idempotency-key-reused", "that of the job itself");
    let edited = rerun("edited", json!({"input": {"a": 1, "b": 2}})).await;
    let same = rerun("edited", json!({"input": {"b": 2, "a": 1}})).await;
    assert_eq!(same.is(202).json()["id"], edited.is(202).json()["id"]);
    server.complete("k", json!(1)).await;
    let done = rerun("again", Value::Null).await;
    assert_eq!((done.is(200).header("idempotency-replayed"), &done.json()["state"]), ("true", &json!("succeeded")));
    assert_eq!(rerun("\"", Value::Null).await.is(400).slug(), "invalid-idempotency-key");
}

#[tokio::test]
async fn run_now_and_purge() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "delay": "1h"})).await);
    let now = send(server.ask(Method::POST, &format!("{job}/run-now"))).await;
    assert_eq!(now.is(202).json()["state"], "queued");
    assert_eq!(send(server.ask(Method::POST, &format!("{job}/run-now"))).await.is(409).slug(), "job-not-waiting");
    let waits = send(server.ask(Method::DELETE, &job)).await;
    assert_eq!(waits.is(409).slug(), "job-not-finished");
    assert_eq!(waits.json()["detail"], "the job is queued");
    server.complete("k", json!(1)).await;
    send(server.ask(Method::DELETE, &job)).await.is(204);
    assert_eq!(send(server.ask(Method::DELETE, &job)).await.is(410).slug(), "purged");
    send(server.ask(Method::DELETE, "/jobs/0193a7a0-0000-7000-8000-000000000000")).await.is(404);
}
