//! The description of the API, and that answers are as it says.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::described::Document;
use super::test_server::{Reply, TestServer, path, send, text};

#[tokio::test]
async fn it_is_whole() {
    let server = TestServer::new().await;
    let document = Document::of(&server).await;
    assert!(text(&document.0["openapi"]).starts_with("3.1"));
    assert_eq!(document.0["servers"][0]["url"], "/");
    let mut names = BTreeSet::new();
    for (method, route, operation) in document.operations() {
        let at = format!("{method} {route}");
        let name = text(&operation["operationId"]);
        assert!(names.insert(name.to_owned()) && name.split('_').count() <= 3, "{at}: {name}");
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let is_problem = status.as_str() >= "400";
            assert_eq!(answer["$ref"].is_string(), is_problem, "{at} {status}");
            assert!(answer["description"].is_string(), "{at} {status}");
            document.is_bytes_where_anything(&at, &document.at(answer)["content"]);
        }
        document.is_bytes_where_anything(&at, &operation["requestBody"]["content"]);
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(!parameter["schema"]["type"].is_array(), "{at}: no parameter is null: {parameter}");
            assert!(parameter["schema"]["default"].is_null(), "{at}: a client must not send it: {parameter}");
        }
    }
    assert_eq!(document.0["security"], json!([{"token": []}, {}]));
    let open: Vec<&str> = document
        .operations()
        .filter(|(_, _, operation)| operation["security"] == json!([]))
        .map(|(_, route, _)| route)
        .collect();
    assert_eq!(open, ["/livez", "/readyz"]);
    let whole = document.0.to_string();
    for reference in whole.split("\"$ref\":\"#").skip(1) {
        let place = reference.split('"').next().unwrap();
        assert!(document.0.pointer(place).is_some(), "nothing is at {place}");
    }
    for of in ["NewJob", "Retry", "Retention", "LeaseRequest", "Heartbeat", "Beat", "Fail", "Release"] {
        let members = document.schema(of)["properties"].to_string();
        let is_time = ["delay", "initial", "succeeded", "wait", "ttl", "retry_after"];
        let said = is_time.iter().filter(|name| document.schema(of)["properties"][name].is_object()).count();
        assert!(said > 0 && members.matches("/Duration\"").count() >= said, "{of}: {members}");
    }
}

#[tokio::test]
async fn it_is_that_of_the_server_that_answers() {
    let server = TestServer::with(|options| {
        options.public_url = Some("https://jobs.example.com/api/".to_owned());
        options.limits.file = 4_711;
    })
    .await;
    let document = Document::of(&server).await;
    assert_eq!(document.0["servers"][0]["url"], "https://jobs.example.com/api");
    for route in ["/kinds/{kind}/jobs", "/leases/{lease}/complete"] {
        let content = &document.operation("post", route)["requestBody"]["content"];
        assert_eq!(content["application/octet-stream"]["schema"]["maxLength"], 4_711, "{route}");
    }
}

#[tokio::test]
async fn what_is_sent_in_its_examples_is_taken() {
    let server = TestServer::new().await;
    let document = Document::of(&server).await;
    let mut tried = 0;
    for (method, route, operation) in document.operations() {
        let body = &operation["requestBody"]["content"]["application/json"];
        if body.is_null() {
            continue;
        }
        let example = &body["example"];
        document.conforms(&format!("{method} {route}"), &body["schema"], example);
        let job = path(&server.submit(json!({"kind": "k"})).await);
        let id = match method {
            "put" => "0193a5c2-7b1e-7c4d-9f00-3b1d0c2e8a11",
            _ => job.rsplit('/').next().unwrap(),
        };
        let lease = text(&server.lease("k").await["lease"]).to_owned();
        if route.ends_with("/rerun") {
            let fail = json!({"retryable": false});
            server.post(&format!("/leases/{lease}/fail"), fail).await.is(200);
        }
        let target = route.replace("{id}", id).replace("{lease}", &lease).replace("{name}", "spare");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let ask = server.ask(method, &target).json(example);
        let reply = send(ask).await;
        assert!(reply.status < 300, "{target} {example}: {} {}", reply.status, reply.text());
        tried += 1;
    }
    assert_eq!(tried, 11);
}

#[tokio::test]
async fn answers_have_the_members_and_headers_that_it_describes() {
    let server = TestServer::new().await;
    let tour = Tour { document: Document::of(&server).await, server };
    let post = |route: &'static str, target: String, body: Value| tour.json(Method::POST, route, target, body);

    // A job that succeeds, from its submit to its result.
    let first = json!({"kind": "k", "key": "x", "label": "l", "input": {"a": 1}, "tags": {"a": "b"}});
    let job = post("/jobs", "/jobs".into(), first.clone()).await.is(202).json();
    post("/jobs", "/jobs?wait=1ms".into(), first.clone()).await.is(202);
    let at = path(&job);
    tour.get("/jobs/{id}", format!("{at}?wait=1ms&include=input")).await.is(202);
    tour.with("/jobs/{id}", at.clone(), "if-none-match", text(&json!("W/\"1\""))).await.is(304);
    tour.get("/jobs", "/jobs?limit=1&tag.a=b".into()).await.is(200);
    let lease = tour.lease("k").await;
    let of_lease = |rest: &str| format!("/leases/{lease}/{rest}");
    tour.get("/leases/{lease}/input", of_lease("input")).await.is(200);
    tour.with("/leases/{lease}/input", of_lease("input"), "range", "bytes=0-1").await.is(206);
    tour.bytes("/leases/{lease}/stream", of_lease("stream?offset=0"), b"bytes").await.is(200);
    tour.bytes("/leases/{lease}/log", of_lease("log"), b"line\n").await.is(200);
    let beat = json!({"progress": {"percent": 1.5, "current": 1, "total": 2, "message": "m", "data": [1]}});
    post("/leases/{lease}/heartbeat", of_lease("heartbeat"), beat).await.is(200);
    tour.get("/jobs/{id}/stream", format!("{at}/stream")).await.is(200);
    tour.get("/jobs/{id}/log", format!("{at}/log")).await.is(200);
    tour.bytes("/leases/{lease}/complete", of_lease("complete"), b"\0result").await.is(200);
    post("/leases/{lease}/fail", of_lease("fail"), json!({})).await.is(409);
    tour.get("/jobs/{id}", at.clone()).await.is(200);
    post("/jobs", "/jobs".into(), first).await.is(200);
    let result = format!("{at}/result");
    let whole = tour.get("/jobs/{id}/result", result.clone()).await;
    tour.with("/jobs/{id}/result", result.clone(), "if-none-match", whole.is(200).header("etag")).await.is(304);
    tour.with("/jobs/{id}/result", result.clone(), "range", "bytes=0-1").await.is(206);
    tour.with("/jobs/{id}/result", result, "range", "bytes=99-").await.is(416);

    // One that fails at its second attempt, and one that is canceled while it runs.
    let failing = path(&post("/jobs", "/jobs".into(), json!({"kind": "f", "retry": {"initial": 0}})).await.json());
    for retryable in [true, false] {
        let lease = tour.lease("f").await;
        let fail = json!({"error": {"type": "Boom", "title": "t", "detail": "d"}, "retryable": retryable});
        post("/leases/{lease}/fail", format!("/leases/{lease}/fail"), fail).await.is(200);
    }
    tour.get("/jobs/{id}", format!("{failing}?wait=1ms")).await.is(400);
    tour.get("/jobs/{id}/result", format!("{failing}/result")).await.is(400);
    post("/jobs/{id}/rerun", format!("{failing}/rerun"), json!({})).await.is(202);
    let canceled = path(&post("/jobs", "/jobs".into(), json!({"kind": "c"})).await.json());
    for _ in 0..2 {
        let lease = tour.lease("c").await;
        post("/leases/{lease}/release", format!("/leases/{lease}/release"), json!({})).await.is(200);
    }
    let lease = tour.lease("c").await;
    post("/jobs/{id}/cancel", format!("{canceled}/cancel"), Value::Null).await.is(202);
    post("/leases/{lease}/release", format!("/leases/{lease}/release"), json!({})).await.is(200);
    post("/jobs/{id}/cancel", format!("{canceled}/cancel"), Value::Null).await.is(200);
    post("/jobs/{id}/cancel", format!("{at}/cancel"), Value::Null).await.is(409);

    // The other submits, and what steers.
    let later =
        path(&tour.bytes("/kinds/{kind}/jobs", "/kinds/b/jobs?delay=90&tag.a=b".into(), b"\0\xff").await.json());
    post("/jobs/{id}/run-now", format!("{later}/run-now"), Value::Null).await.is(202);
    let chosen = "/jobs/0193a5c2-7b1e-7c4d-9f00-3b1d0c2e8a11";
    for status in [201, 200] {
        tour.json(Method::PUT, "/jobs/{id}", chosen.into(), json!({"kind": "p"})).await.is(status);
    }
    for _ in 0..2 {
        post("/jobs", "/jobs".into(), json!({"kind": "g", "method": "GET"})).await.is(202);
    }
    let batch = json!({"request_id": "r", "jobs": [{"kind": "k"}]});
    for _ in 0..2 {
        post("/jobs/batch", "/jobs/batch".into(), batch.clone()).await.is(202);
    }
    for status in [201, 200] {
        tour.json(Method::PUT, "/readers/{name}", "/readers/r".into(), json!({"cursor": "0"})).await.is(status);
    }
    tour.get("/readers/{name}", "/readers/r".into()).await.is(200);
    for list in ["/readers", "/queues", "/kinds", "/workers"] {
        tour.get(list, list.into()).await.is(200);
    }
    tour.json(Method::PATCH, "/queues/{name}", "/queues/default".into(), json!({"paused": false})).await.is(200);
    tour.get("/kinds/{kind}", "/kinds/k".into()).await.is(200);

    // Refusals.
    post("/jobs", "/jobs".into(), json!({"kind": ""})).await.is(422);
    tour.bytes("/jobs", "/jobs".into(), b"text").await.is(415);
    tour.get("/jobs/{id}", "/jobs/0193a5c2-7b1e-7c4d-9f00-000000000000".into()).await.is(404);
    tour.get("/jobs/{id}", format!("{at}?wait=x")).await.is(400);

    // Every type of event that there is without losing a worker or waiting for a slot.
    tour.get("/jobs/{id}/events", format!("{at}/events")).await.is(200);
    let page = tour.get("/events", "/events?after=0&include=result".into()).await.is(200).json();
    let types: BTreeSet<&str> = page["items"].as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    for seldom in ["blocked", "lost"] {
        assert!(!types.contains(seldom));
    }
    assert_eq!(types.len(), 10, "{types:?}");
}

/// Requests whose answers must be as they are described.
struct Tour {
    server: TestServer,
    document: Document,
}

impl Tour {
    async fn get(&self, route: &str, target: String) -> Reply {
        let reply = send(self.server.ask(Method::GET, &target)).await;
        self.document.check("get", route, reply)
    }

    async fn with(&self, route: &str, target: String, header: &str, value: &str) -> Reply {
        let reply = send(self.server.ask(Method::GET, &target).header(header, value)).await;
        self.document.check("get", route, reply)
    }

    async fn json(&self, method: Method, route: &str, target: String, body: Value) -> Reply {
        let ask = self.server.ask(method.clone(), &target);
        let reply = send(if body.is_null() { ask } else { ask.json(&body) }).await;
        self.document.check(&method.as_str().to_lowercase(), route, reply)
    }

    async fn bytes(&self, route: &str, target: String, bytes: &'static [u8]) -> Reply {
        let ask = self.server.ask(Method::POST, &target).header("content-type", "application/octet-stream");
        self.document.check("post", route, send(ask.body(bytes)).await)
    }

    /// A lease of a job of this kind.
    async fn lease(&self, kind: &str) -> String {
        let ask = json!({"worker": {"name": "test"}, "kinds": [kind], "wait": "10s"});
        let answer = self.json(Method::POST, "/leases", "/leases".into(), ask).await.is(200).json();
        text(&answer["leases"][0]["lease"]).to_owned()
    }
}
