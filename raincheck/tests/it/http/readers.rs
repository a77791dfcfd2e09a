//! Named readers of the feed: made, moved by who knows where they are, and read from.

use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{Reply, TestServer, send, text};

async fn put(server: &TestServer, name: &str, body: Value, headers: &[(&'static str, &str)]) -> Reply {
    let request = server.ask(Method::PUT, &format!("/readers/{name}")).json(&body);
    send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn delete(server: &TestServer, name: &str, tag: Option<&str>) -> Reply {
    let request = server.ask(Method::DELETE, &format!("/readers/{name}"));
    send(match tag {
        Some(tag) => request.header("if-match", tag),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_reader_is_made_moved_and_deleted() {
    let server = TestServer::new().await;
    assert_eq!(server.get("/readers/billing").await.is(404).slug(), "not-found");
    let made = put(&server, "billing", json!({}), &[]).await;
    made.is(201);
    assert_eq!(made.header("location"), format!("{}/readers/billing", server.url));
    let reader = made.json();
    assert_eq!(
        (&reader["name"], &reader["lag_events"], &reader["lag_seconds"]),
        (&json!("billing"), &json!(0), &json!(0))
    );
    server.job().await;
    let late = server.get("/readers/billing").await;
    assert_eq!(late.is(200).json()["lag_events"], 1);
    assert_eq!(late.header("etag"), made.header("etag"));

    let events = server.get("/events?reader=billing").await.is(200).json();
    let kinds: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    assert_eq!(kinds, ["created"]);
    let moved =
        put(&server, "billing", json!({"cursor": events["next_after"]}), &[("if-match", made.header("etag"))]).await;
    assert_eq!(moved.is(200).json()["lag_events"], 0);
    assert_ne!(moved.header("etag"), made.header("etag"));
    assert_eq!(server.get("/events?reader=billing").await.json()["items"], json!([]));

    let stale = put(&server, "billing", json!({"cursor": "0"}), &[("if-match", made.header("etag"))]).await;
    assert_eq!(stale.is(412).slug(), "precondition-failed");
    assert_eq!(
        put(&server, "billing", json!({}), &[("if-none-match", "*")]).await.is(412).slug(),
        "precondition-failed"
    );
    assert_eq!(put(&server, "other", json!({}), &[("if-match", "*")]).await.is(412).slug(), "precondition-failed");
    let again = put(&server, "billing", json!({"cursor": "0"}), &[("if-match", "*")]).await;
    assert_eq!(again.is(200).json()["lag_events"], 1, "back to the beginning");

    delete(&server, "billing", Some(moved.header("etag"))).await.is(412);
    delete(&server, "billing", Some(again.header("etag"))).await.is(204);
    delete(&server, "billing", None).await.is(404);
    assert_eq!(server.get("/events?reader=billing").await.is(404).slug(), "not-found");
}

#[tokio::test]
async fn a_condition_that_names_nothing_is_refused() {
    let server = TestServer::new().await;
    let made = put(&server, "billing", json!({}), &[]).await;
    server.job().await;
    for (name, value) in [("if-match", ""), ("if-match", ", ,"), ("if-none-match", ""), ("if-none-match", ",")] {
        let refused = put(&server, "billing", json!({}), &[(name, value)]).await;
        assert_eq!(refused.is(400).slug(), "invalid-request", "{name}: {value}");
        assert!(text(&refused.json()["detail"]).contains("is empty"), "{}", refused.text());
        let new = server.ask(Method::PUT, &format!("/jobs/{}", uuid::Uuid::nil())).json(&json!({"kind": "k"}));
        assert_eq!(send(new.header(name, value)).await.is(400).slug(), "invalid-request", "{name}: {value}");
    }
    delete(&server, "billing", Some(",")).await.is(400);
    let there = server.get("/readers/billing").await;
    assert_eq!((there.header("etag"), &there.json()["lag_events"]), (made.header("etag"), &json!(1)), "not moved");
    server.get(&format!("/jobs/{}", uuid::Uuid::nil())).await.is(404);
}

#[tokio::test]
async fn readers_are_listed_page_by_page() {
    let server = TestServer::new().await;
    for name in ["c", "a", "B"] {
        put(&server, name, json!({}), &[]).await.is(201);
    }
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|reader| text(&reader["name"]).to_owned()).collect()
    };
    let all = server.get("/readers").await.is(200).json();
    assert_eq!((names(&all), &all["next_cursor"]), (vec!["B".into(), "a".into(), "c".into()], &Value::Null));
    let first = server.get("/readers?limit=2").await.json();
    assert_eq!((names(&first), &first["next_cursor"]), (vec!["B".into(), "a".into()], &json!("a")));
    assert_eq!(names(&server.get("/readers?limit=2&cursor=a").await.json()), ["c"]);
}

#[tokio::test]
async fn what_is_not_a_place_of_a_reader_is_refused() {
    let server = TestServer::new().await;
    for (path, body, status, slug) in [
        ("ok", json!({"cursor": "nonsense"}), 400, "invalid-cursor"),
        ("ok", json!({"cursor": 1}), 422, "validation"),
        ("ok", json!({"cursor": null}), 422, "validation"),
        ("ok", json!({"place": "0"}), 422, "validation"),
        ("ok", json!([]), 422, "validation"),
        ("no%20name", json!({}), 404, "not-found"),
    ] {
        assert_eq!(put(&server, path, body.clone(), &[]).await.is(status).slug(), slug, "{path} {body}");
    }
    let absent = put(&server, "ok", json!({}), &[("if-match", "\"1\", \"2\"")]).await;
    assert_eq!(absent.is(412).slug(), "precondition-failed");
    let unnamed = put(&server, "no%20name", json!({}), &[]).await.json();
    assert!(text(&unnamed["detail"]).contains("may hold only letters"), "{unnamed}");
    assert_eq!(server.get("/readers").await.json()["items"], json!([]));
    assert_eq!(server.get("/events?reader=x&after=0").await.is(404).slug(), "not-found");
}

#[tokio::test]
async fn their_lag_is_a_metric() {
    let server = TestServer::new().await;
    put(&server, "billing", json!({}), &[]).await.is(201);
    server.job().await;
    let metrics = server.get("/metrics").await.text();
    assert!(metrics.contains("raincheck_reader_lag_events{reader=\"billing\"} 1"), "{metrics}");
    assert!(metrics.contains("raincheck_reader_lag_seconds{reader=\"billing\"} 0"), "{metrics}");
}

#[tokio::test]
async fn one_of_several_versions_may_be_named() {
    let server = TestServer::new().await;
    let first = put(&server, "billing", json!({}), &[("if-none-match", "*")]).await;
    let stale = put(&server, "billing", json!({}), &[("if-none-match", "*")]).await;
    assert_eq!(stale.is(412).slug(), "precondition-failed");
    let both = format!("\"1\", {}", first.is(201).header("etag"));
    let second = put(&server, "billing", json!({}), &[("if-match", &both)]).await;
    assert_eq!(put(&server, "billing", json!({}), &[("if-match", &both)]).await.is(412).slug(), "precondition-failed");
    delete(&server, "billing", Some(&both)).await.is(412);
    delete(&server, "billing", Some(&format!("{both},{}", second.is(200).header("etag")))).await.is(204);
}

/// A reader that was made at the beginning and never moved is told when events went before it has read them.
#[tokio::test]
async fn a_reader_is_told_of_what_it_has_missed() {
    let server = TestServer::on(|_| {}, |store| store.feed.max_bytes = 0).await;
    put(&server, "billing", json!({"cursor": "0"}), &[]).await.is(201);
    let stays = server.job().await;
    let goes = server.job().await;
    server.post(&format!("{goes}/cancel"), json!({})).await.is(200);
    send(server.ask(Method::DELETE, &goes)).await.is(204);
    let trim = raincheck_core::Command::Trim(raincheck_core::Trim::of(99));
    server.engine.store().apply(vec![trim]).await.unwrap();
    let begin = std::time::Instant::now();
    let late = loop {
        let late = server.get("/readers/billing").await.json();
        assert_eq!(late["expired"], true, "{late}");
        if late["lag_seconds"] != 0 {
            break late;
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{late}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_ne!(late["lag_events"], 0);
    for accept in ["application/json", "text/event-stream"] {
        let refused = send(server.ask(Method::GET, "/events?reader=billing").header("accept", accept)).await;
        assert_eq!(refused.is(410).slug(), "cursor-expired");
        assert!(text(&refused.json()["detail"]).contains("PUT it to \"0\""), "{}", refused.text());
    }
    let again = server.ask(Method::GET, "/events?reader=billing").header("accept", "text/event-stream");
    let again = send(again.header("last-event-id", text(&late["cursor"]))).await;
    assert_eq!(again.is(410).slug(), "cursor-expired", "nor is it led past them when it comes again by itself");
    // Where it was it cannot stay; at the oldest event that is there it reads on, page by page.
    let again = put(&server, "billing", json!({"cursor": late["cursor"]}), &[]).await;
    assert_eq!(again.is(410).slug(), "cursor-expired");
    let moved = put(&server, "billing", json!({"cursor": "0"}), &[]).await.is(200).json();
    assert_eq!(moved["expired"], false);
    let page = server.get("/events?reader=billing").await.is(200).json();
    assert_eq!(page["items"][0]["job"], server.get(&stays).await.json()["id"]);
    assert_eq!(page["at_head"], true);
    // Also the cursor of an event between the gaps is a place to go on from.
    put(&server, "billing", json!({"cursor": page["items"][0]["cursor"]}), &[]).await.is(200);
    server.get("/events?reader=billing").await.is(200);
    // What was removed before the first event that is there is not waited for.
    let other = server.job().await;
    server.post(&format!("{stays}/cancel"), json!({})).await.is(200);
    send(server.ask(Method::DELETE, &stays)).await.is(204);
    let trim = raincheck_core::Command::Trim(raincheck_core::Trim::of(99));
    server.engine.store().apply(vec![trim]).await.unwrap();
    let moved = put(&server, "late", json!({"cursor": "0"}), &[]).await.is(201).json();
    let left = server.get("/events?reader=late").await.is(200).json();
    assert_eq!(left["items"][0]["job"], server.get(&other).await.json()["id"]);
    assert_eq!((&left["items"][0]["position"], &moved["lag_events"]), (&json!(4), &json!(2)), "of 5 events: {left}");
}
