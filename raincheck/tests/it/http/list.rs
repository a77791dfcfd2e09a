//! Many jobs, queues, kinds, workers.

use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{TestServer, path, send, text};

#[tokio::test]
async fn pages_hold_every_job_once_newest_first() {
    let server = TestServer::new().await;
    let jobs: Vec<_> = (0..25).map(|n| json!({"kind": "k", "input": n})).collect();
    let made = server.post("/jobs/batch", json!({"jobs": jobs})).await.json();
    let mut expected: Vec<String> =
        made["jobs"].as_array().unwrap().iter().map(|job| text(&job["id"]).to_owned()).collect();
    expected.reverse();
    let (mut seen, mut next) = (Vec::new(), "/jobs?limit=10&queue=default".to_owned());
    loop {
        let page = server.get(&next).await;
        page.is(200);
        seen.extend(page.json()["items"].as_array().unwrap().iter().map(|job| text(&job["id"]).to_owned()));
        let link = page.header("link");
        assert_eq!(link.is_empty(), page.json()["next_cursor"].is_null());
        let Some(url) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
        assert!(url.contains("queue=default") && url.contains("limit=10"));
        next = url.to_owned();
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn filters() {
    let server = TestServer::new().await;
    server.submit(json!({"kind": "a", "queue": "q1", "label": "Straße 100%", "tags": {"team": "x"}})).await;
    server.submit(json!({"kind": "b", "queue": "q2", "input": {"text": "needle_1"}, "delay": "1h"})).await;
    server.submit(json!({"kind": "a", "queue": "q2", "tags": {"team": "x", "env": "prod"}})).await;
    for (query, count) in [
        ("", 3),
        ("queue=q2", 2),
        ("kind=a", 2),
        ("state=scheduled", 1),
        ("state=scheduled,running,failed", 1),
        ("state=queued,scheduled", 3),
        ("state=canceled,failed", 0),
        ("kind=a&queue=q2", 1),
        ("queue=q*", 3),
        ("queue=q1,*2&kind=*", 3),
        ("kind=b,*nobodys", 1),
        ("kind=*b*&queue=q1", 0),
        ("queue=*2&tag.team=x", 1),
        ("kind=%2A", 3),
        ("tag.team=x", 2),
        ("tag.team=x&tag.env=prod", 1),
        ("tag.team=y", 0),
        ("created_after=2020-01-01T00:00:00Z", 3),
        ("created_after=2090-01-01T00:00:00Z", 0),
        ("q=needle_1", 1),
        ("q=needle%251", 0),
        ("q=100%25", 1),
        ("q='%3B%20drop%20table%20job", 0),
        ("q=NEAR(", 0),
        ("q=%5C", 0),
    ] {
        let page = server.get(&format!("/jobs?{query}")).await;
        assert_eq!(page.is(200).json()["items"].as_array().unwrap().len(), count, "{query}");
    }
    for bad in [
        "state=nope",
        "state=",
        "state=failed,",
        "queue=a!",
        "queue=",
        "queue=a,",
        "queue=.*",
        "kind=a*,b!",
        "kind=a*&kind=b",
        "limit=0",
        "limit=1001",
        "limit=x",
        "created_after=now",
        "sort=id%3Bdrop",
        "q=",
        "limit=1&limit=2",
        "key=",
    ] {
        assert_eq!(server.get(&format!("/jobs?{bad}")).await.is(400).slug(), "invalid-request", "{bad}");
    }
    for place in ["/jobs", "/events"] {
        let problem = server.get(&format!("{place}?kind=shop.*,a%20b")).await.is(400).json();
        assert_eq!(problem["errors"][0]["pointer"], "?kind", "{problem}");
        let detail = text(&problem["errors"][0]["detail"]);
        assert!(detail.contains("shop.*, or several with commas") && detail.contains("number 2 may hold"), "{detail}");
        let many = |n| format!("{place}?queue={}", vec!["q*"; n].join(","));
        server.get(&many(32)).await.is(200);
        let problem = server.get(&many(33)).await.is(400).json();
        assert!(text(&problem["detail"]).contains("more than 32 names and patterns"), "{problem}");
    }
    let long = format!("/jobs?q={}", "x".repeat(10_000));
    server.get(&long).await.is(400);
    for cursor in ["x", "1", "ff.0000", "zz.zzzz"] {
        assert_eq!(server.get(&format!("/jobs?cursor={cursor}")).await.is(400).slug(), "invalid-cursor", "{cursor}");
    }
}

#[tokio::test]
async fn queues_kinds_and_workers() {
    let server = TestServer::new().await;
    server.get("/queues/none").await.is(404);
    server.get("/kinds/none").await.is(404);
    server.submit(json!({"kind": "k", "queue": "media"})).await;
    server.complete("k", json!(1)).await;
    server.submit(json!({"kind": "k", "queue": "media"})).await;
    let queue = server.get("/queues/media").await.is(200).json();
    assert_eq!(
        (&queue["name"], &queue["queued"], &queue["succeeded"], &queue["paused"]),
        (&json!("media"), &json!(1), &json!(1), &json!(false))
    );
    let patch = |body: Value| server.ask(Method::PATCH, "/queues/media").json(&body);
    let patched = send(patch(json!({"paused": true, "concurrency": 3, "max_queued": 10}))).await.is(200).json();
    assert_eq!(
        (&patched["paused"], &patched["concurrency"], &patched["max_queued"]),
        (&json!(true), &json!(3), &json!(10))
    );
    let job = server.submit(json!({"kind": "k", "queue": "media"})).await;
    assert_eq!(server.get(&path(&job)).await.json()["waiting_for"], "paused");
    let patched = send(patch(json!({"concurrency": null, "max_queued": null}))).await.is(200).json();
    assert_eq!(
        (&patched["paused"], &patched["concurrency"], &patched["max_queued"]),
        (&json!(true), &json!(null), &json!(1_000_000))
    );
    assert_eq!(send(patch(json!({"rate": "1/s"}))).await.is(422).json()["errors"][0]["pointer"], "/rate");
    send(patch(json!({"paused": "yes"}))).await.is(422);
    send(server.ask(Method::PATCH, "/queues/no!").json(&json!({}))).await.is(404);
    let kind = server.get("/kinds/k").await.is(200).json();
    assert_eq!((&kind["served"], &kind["workers"]), (&json!(true), &json!(["test"])));
    assert!(kind["typical_seconds"].is_number());
    let workers = server.get("/workers").await.is(200).json();
    assert_eq!((&workers["items"][0]["name"], &workers["items"][0]["kinds"]), (&json!("test"), &json!(["k"])));
    assert_eq!(server.get("/kinds").await.json()["items"].as_array().unwrap().len(), 1);
}
