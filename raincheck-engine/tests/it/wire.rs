use raincheck_core::{Failure, FailureCode, JobRequest};
use raincheck_engine::json;
use raincheck_engine::wire::{BaseUrl, Form, JobView, Json, write_event, write_failure, write_job};
use serde_json::Value;

use crate::test_engine::TestEngine;

fn written(write: impl FnOnce(&mut Json)) -> Value {
    let mut out = Json::default();
    write(&mut out);
    serde_json::from_slice(&out.into_bytes()).unwrap()
}

#[tokio::test]
async fn a_job_and_its_events_are_shown_without_http() {
    let test = TestEngine::new().await;
    let input = json(r#"{"x":1}"#);
    let request = JobRequest { kind: "k", label: Some("a \"b\""), ..JobRequest::default() };
    let new = test.engine.new_job(&request, input.clone()).unwrap();
    let job = test.submit(new).await;
    test.complete(test.lease().await.job.lease_ref()).await;
    let record = test.record(&job).await;
    let base = BaseUrl { scheme: "https://", rest: b"example.test/rain" };
    let view = JobView::of(&test.engine, base, &record);
    let bare = written(|out| write_job(out, &view));
    let shown = written(|out| write_job(out, &view.with_input(&input, None)));
    let this = format!("https://example.test/rain/jobs/{}", job.id);
    assert_eq!(
        (&shown["label"], &shown["queue"], &shown["state"]),
        (&"a \"b\"".into(), &"default".into(), &"succeeded".into())
    );
    assert_eq!(
        (&shown["links"]["self"], &shown["links"]["events"]),
        (&this.clone().into(), &format!("{this}/events").into())
    );
    assert_eq!(
        (&shown["result"]["href"], &shown["result"]["value"]["ok"]),
        (&format!("{this}/result").into(), &true.into())
    );
    assert_eq!(shown["input"]["x"], 1);
    assert_eq!(bare.get("input"), None, "shown to those who ask for it");
    let events = test.engine.job_events(job.no, 0, 10).await.unwrap();
    let shown: Vec<_> = events
        .iter()
        .map(|event| written(|out| write_event(out, event, &test.engine, BaseUrl::NONE, Form::feed(false), None)))
        .collect();
    assert_eq!(shown.len(), events.len());
    let last = shown.last().unwrap();
    assert_eq!((&last["type"], &last["job"]), (&"succeeded".into(), &job.id.to_string().into()));
    test.engine.stop().await;
}

#[test]
fn a_failure_is_a_problem_in_the_workers_words_or_ours() {
    let shown = |failure: &Failure| written(|out| write_failure(out, BaseUrl::NONE, failure));
    let ours = shown(&Failure::of(FailureCode::Timeout, "after 5 s"));
    assert_eq!(
        ours,
        serde_json::json!({"type": "/problems/job-timeout", "title": "The job took too long", "detail": "after 5 s"})
    );
    let kind = Some("https://example.test/broken".into());
    let theirs = shown(&Failure { kind, title: Some("Broken".into()), ..Failure::of(FailureCode::Failed, "") });
    assert_eq!((&theirs["type"], &theirs["title"]), (&"https://example.test/broken".into(), &"Broken".into()));
}
