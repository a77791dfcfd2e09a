//! Cancel, run again, run now, purge.

use reqwest::Method;
use serde_json::json;

use super::bed::{Bed, path, send, text};

#[tokio::test]
async fn cancel() {
    let bed = Bed::new().await;
    let job = bed.job().await;
    let cancel = format!("{job}/cancel");
    assert_eq!(send(bed.ask(Method::POST, &cancel)).await.is(200).json()["state"], "canceled");
    send(bed.ask(Method::POST, &cancel)).await.is(200);

    let running = bed.job().await;
    let lease = bed.lease("k").await;
    let lease = text(&lease["lease"]);
    let beat = bed.post("/leases/heartbeat", json!({"heartbeats": [{"lease": lease}], "wait": "30s"}));
    let cancel = format!("{running}/cancel");
    let (asked, beat) = tokio::join!(send(bed.ask(Method::POST, &cancel)), beat);
    asked.is(202);
    assert_eq!((&asked.json()["cancel_requested"], &asked.json()["state"]), (&json!(true), &json!("running")));
    assert_eq!(beat.json()["heartbeats"][0]["cancel_requested"], true);
    let ended = bed.post(&format!("/leases/{lease}/fail"), json!({"error": {"title": "stopped"}})).await;
    assert_eq!(ended.is(200).json()["state"], "canceled");

    let done = bed.job().await;
    bed.complete("k", json!(1)).await;
    let refused = send(bed.ask(Method::POST, &format!("{done}/cancel"))).await;
    assert_eq!(refused.is(409).slug(), "job-finished");
    assert_eq!(refused.json()["job"]["state"], "succeeded");
    assert_eq!(refused.json()["detail"], "the job has succeeded");
}

#[tokio::test]
async fn rerun() {
    let bed = Bed::new().await;
    let job = path(&bed.submit(json!({"kind": "k", "input": {"n": 1}, "key": "x"})).await);
    let rerun = format!("{job}/rerun");
    assert_eq!(send(bed.ask(Method::POST, &rerun)).await.is(409).slug(), "job-not-finished");
    bed.fail("k").await;
    let again = send(bed.ask(Method::POST, &rerun)).await;
    again.is(202);
    assert_eq!((path(&json!({"id": again.json()["rerun_of"]})), &again.json()["key"]), (job.clone(), &json!(null)));
    assert_eq!(again.header("location"), format!("{}{}", bed.url, path(&again.json())));
    assert_eq!(bed.lease("k").await["job"]["input"], json!({"n": 1}));
    let edited = bed.post(&rerun, json!({"input": {"n": 2}})).await;
    edited.is(202);
    let leased = bed.lease("k").await;
    assert_eq!(leased["job"]["input"], json!({"n": 2}));
    bed.post(&format!("/leases/{}/complete", text(&leased["lease"])), json!(1)).await.is(200);
    let done = format!("{}/rerun", path(&edited.json()));
    assert_eq!(send(bed.ask(Method::POST, &done)).await.is(409).slug(), "job-done");
    send(bed.ask(Method::POST, &format!("{done}?force=true"))).await.is(202);
    assert_eq!(bed.post(&rerun, json!({"nope": 1})).await.is(422).slug(), "validation");
}

#[tokio::test]
async fn run_now_and_purge() {
    let bed = Bed::new().await;
    let job = path(&bed.submit(json!({"kind": "k", "delay": "1h"})).await);
    let now = send(bed.ask(Method::POST, &format!("{job}/run-now"))).await;
    assert_eq!(now.is(202).json()["state"], "queued");
    assert_eq!(send(bed.ask(Method::POST, &format!("{job}/run-now"))).await.is(409).slug(), "job-not-waiting");
    let waits = send(bed.ask(Method::DELETE, &job)).await;
    assert_eq!(waits.is(409).slug(), "job-not-finished");
    assert_eq!(waits.json()["detail"], "the job is queued");
    bed.complete("k", json!(1)).await;
    send(bed.ask(Method::DELETE, &job)).await.is(204);
    assert_eq!(send(bed.ask(Method::DELETE, &job)).await.is(410).slug(), "purged");
    send(bed.ask(Method::DELETE, "/jobs/0193a7a0-0000-7000-8000-000000000000")).await.is(404);
}
