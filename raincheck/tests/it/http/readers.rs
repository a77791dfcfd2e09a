//! Named readers of the feed: made, moved by who knows where they are, and read from.

use reqwest::Method;
use serde_json::{Value, json};

use super::bed::{Bed, Reply, path, send, text};

async fn put(bed: &Bed, name: &str, body: Value, headers: &[(&'static str, &str)]) -> Reply {
    let request = bed.ask(Method::PUT, &format!("/readers/{name}")).json(&body);
    send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn delete(bed: &Bed, name: &str, tag: Option<&str>) -> Reply {
    let request = bed.ask(Method::DELETE, &format!("/readers/{name}"));
    send(match tag {
        Some(tag) => request.header("if-match", tag),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_reader_is_made_moved_and_deleted() {
    let bed = Bed::new().await;
    assert_eq!(bed.get("/readers/billing").await.is(404).slug(), "not-found");
    let made = put(&bed, "billing", json!({}), &[]).await;
    made.is(201);
    assert_eq!(made.header("location"), format!("{}/readers/billing", bed.url));
    let reader = made.json();
    assert_eq!(
        (&reader["name"], &reader["lag_events"], &reader["lag_seconds"]),
        (&json!("billing"), &json!(0), &json!(0))
    );
    bed.job().await;
    let late = bed.get("/readers/billing").await;
    assert_eq!(late.is(200).json()["lag_events"], 1);
    assert_eq!(late.header("etag"), made.header("etag"));

    let events = bed.get("/events?reader=billing").await.is(200).json();
    let kinds: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    assert_eq!(kinds, ["created"]);
    let moved =
        put(&bed, "billing", json!({"cursor": events["next_after"]}), &[("if-match", made.header("etag"))]).await;
    assert_eq!(moved.is(200).json()["lag_events"], 0);
    assert_ne!(moved.header("etag"), made.header("etag"));
    assert_eq!(bed.get("/events?reader=billing").await.json()["items"], json!([]));

    let stale = put(&bed, "billing", json!({"cursor": "0"}), &[("if-match", made.header("etag"))]).await;
    assert_eq!(stale.is(412).slug(), "precondition-failed");
    assert_eq!(put(&bed, "billing", json!({}), &[("if-none-match", "*")]).await.is(412).slug(), "precondition-failed");
    assert_eq!(put(&bed, "other", json!({}), &[("if-match", "*")]).await.is(412).slug(), "precondition-failed");
    let again = put(&bed, "billing", json!({"cursor": "0"}), &[("if-match", "*")]).await;
    assert_eq!(again.is(200).json()["lag_events"], 1, "back to the beginning");

    delete(&bed, "billing", Some(moved.header("etag"))).await.is(412);
    delete(&bed, "billing", Some(again.header("etag"))).await.is(204);
    delete(&bed, "billing", None).await.is(404);
    assert_eq!(bed.get("/events?reader=billing").await.is(404).slug(), "not-found");
}

#[tokio::test]
async fn a_condition_that_names_nothing_is_refused() {
    let bed = Bed::new().await;
    let made = put(&bed, "billing", json!({}), &[]).await;
    bed.job().await;
    for (name, value) in [("if-match", ""), ("if-match", ", ,"), ("if-none-match", ""), ("if-none-match", ",")] {
        let refused = put(&bed, "billing", json!({}), &[(name, value)]).await;
        assert_eq!(refused.is(400).slug(), "invalid-request", "{name}: {value}");
        assert!(text(&refused.json()["detail"]).contains("is empty"), "{}", refused.text());
        let new = bed.ask(Method::PUT, &format!("/jobs/{}", uuid::Uuid::nil())).json(&json!({"kind": "k"}));
        assert_eq!(send(new.header(name, value)).await.is(400).slug(), "invalid-request", "{name}: {value}");
    }
    delete(&bed, "billing", Some(",")).await.is(400);
    let there = bed.get("/readers/billing").await;
    assert_eq!((there.header("etag"), &there.json()["lag_events"]), (made.header("etag"), &json!(1)), "not moved");
    bed.get(&format!("/jobs/{}", uuid::Uuid::nil())).await.is(404);
}

#[tokio::test]
async fn a_condition_that_nobody_looks_at_is_refused() {
    let bed = Bed::new().await;
    let done = path(&bed.submit(json!({"kind": "k"})).await);
    bed.complete("k", json!(1)).await;
    for name in ["if-match", "if-none-match"] {
        let purge = bed.ask(Method::DELETE, &done).header(name, "\"1\"");
        assert_eq!(send(purge).await.is(400).slug(), "invalid-request", "{name}");
        let pause = bed.ask(Method::PATCH, "/queues/default").json(&json!({"paused": true})).header(name, "*");
        assert_eq!(send(pause).await.is(400).slug(), "invalid-request", "{name}");
    }
    bed.get(&done).await.is(200);
    assert_eq!(bed.get("/queues/default").await.json()["paused"], false);
}

#[tokio::test]
async fn readers_are_listed_page_by_page() {
    let bed = Bed::new().await;
    for name in ["c", "a", "B"] {
        put(&bed, name, json!({}), &[]).await.is(201);
    }
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|reader| text(&reader["name"]).to_owned()).collect()
    };
    let all = bed.get("/readers").await.is(200).json();
    assert_eq!((names(&all), &all["next_cursor"]), (vec!["B".into(), "a".into(), "c".into()], &Value::Null));
    let first = bed.get("/readers?limit=2").await.json();
    assert_eq!((names(&first), &first["next_cursor"]), (vec!["B".into(), "a".into()], &json!("a")));
    assert_eq!(names(&bed.get("/readers?limit=2&cursor=a").await.json()), ["c"]);
}

#[tokio::test]
async fn what_is_not_a_place_of_a_reader_is_refused() {
    let bed = Bed::new().await;
    for (path, body, status, slug) in [
        ("ok", json!({"cursor": "nonsense"}), 400, "invalid-cursor"),
        ("ok", json!({"cursor": 1}), 422, "validation"),
        ("ok", json!({"cursor": null}), 422, "validation"),
        ("ok", json!({"place": "0"}), 422, "validation"),
        ("ok", json!([]), 422, "validation"),
        ("no%20name", json!({}), 404, "not-found"),
    ] {
        assert_eq!(put(&bed, path, body.clone(), &[]).await.is(status).slug(), slug, "{path} {body}");
    }
    let absent = put(&bed, "ok", json!({}), &[("if-match", "\"1\", \"2\"")]).await;
    assert_eq!(absent.is(412).slug(), "precondition-failed");
    let unnamed = put(&bed, "no%20name", json!({}), &[]).await.json();
    assert!(text(&unnamed["detail"]).contains("may hold only letters"), "{unnamed}");
    assert_eq!(bed.get("/readers").await.json()["items"], json!([]));
    assert_eq!(bed.get("/events?reader=x&after=0").await.is(404).slug(), "not-found");
}

#[tokio::test]
async fn their_lag_is_a_metric() {
    let bed = Bed::new().await;
    put(&bed, "billing", json!({}), &[]).await.is(201);
    bed.job().await;
    let metrics = bed.get("/metrics").await.text();
    assert!(metrics.contains("raincheck_reader_lag_events{reader=\"billing\"} 1"), "{metrics}");
    assert!(metrics.contains("raincheck_reader_lag_seconds{reader=\"billing\"} 0"), "{metrics}");
}

#[tokio::test]
async fn one_of_several_versions_may_be_named() {
    let bed = Bed::new().await;
    let first = put(&bed, "billing", json!({}), &[("if-none-match", "*")]).await;
    let stale = put(&bed, "billing", json!({}), &[("if-none-match", "*")]).await;
    assert_eq!(stale.is(412).slug(), "precondition-failed");
    let both = format!("\"1\", {}", first.is(201).header("etag"));
    let second = put(&bed, "billing", json!({}), &[("if-match", &both)]).await;
    assert_eq!(put(&bed, "billing", json!({}), &[("if-match", &both)]).await.is(412).slug(), "precondition-failed");
    delete(&bed, "billing", Some(&both)).await.is(412);
    delete(&bed, "billing", Some(&format!("{both},{}", second.is(200).header("etag")))).await.is(204);
}

/// A reader that was made at the beginning and never moved is told when events went before it has read them.
#[tokio::test]
async fn a_reader_is_told_of_what_it_has_missed() {
    let bed = Bed::on(|_| {}, |store| store.feed.max_bytes = 0).await;
    put(&bed, "billing", json!({"cursor": "0"}), &[]).await.is(201);
    let stays = bed.job().await;
    let goes = bed.job().await;
    bed.post(&format!("{goes}/cancel"), json!({})).await.is(200);
    send(bed.ask(Method::DELETE, &goes)).await.is(204);
    let trim = raincheck_core::Command::Trim(raincheck_core::Trim::of(99));
    bed.engine.store().apply(vec![trim]).await.unwrap();
    let begin = std::time::Instant::now();
    let late = loop {
        let late = bed.get("/readers/billing").await.json();
        assert_eq!(late["expired"], true, "{late}");
        if late["lag_seconds"] != 0 {
            break late;
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{late}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_ne!(late["lag_events"], 0);
    for accept in ["application/json", "text/event-stream"] {
        let refused = send(bed.ask(Method::GET, "/events?reader=billing").header("accept", accept)).await;
        assert_eq!(refused.is(410).slug(), "cursor-expired");
        assert!(text(&refused.json()["detail"]).contains("PUT it to \"0\""), "{}", refused.text());
    }
    // Where it was it cannot stay; at the oldest event that is there it reads on, page by page.
    let again = put(&bed, "billing", json!({"cursor": late["cursor"]}), &[]).await;
    assert_eq!(again.is(410).slug(), "cursor-expired");
    let moved = put(&bed, "billing", json!({"cursor": "0"}), &[]).await.is(200).json();
    assert_eq!(moved["expired"], false);
    let page = bed.get("/events?reader=billing").await.is(200).json();
    assert_eq!(page["items"][0]["job"], bed.get(&stays).await.json()["id"]);
    assert_eq!(page["at_head"], true);
    // Also the cursor of an event between the gaps is a place to go on from.
    put(&bed, "billing", json!({"cursor": page["items"][0]["cursor"]}), &[]).await.is(200);
    bed.get("/events?reader=billing").await.is(200);
}
