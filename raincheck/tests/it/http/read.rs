//! How a job stands.

use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, path, send};

/// A run that nobody reports of is lost; how many of them are too many a job says in its body or in its query.
#[tokio::test]
async fn a_job_says_how_many_losses_are_too_many() {
    let server = TestServer::new().await;
    let first = server.submit(json!({"kind": "k", "max_losses": 1})).await;
    let raw = send(server.ask(Method::POST, "/kinds/k/jobs?max_losses=0&retry.max_attempts=1").body("x")).await;
    let leased = server.post("/leases", json!({"kinds": ["k"], "max": 2, "ttl": "2s"})).await.is(200).json();
    assert_eq!(leased["leases"].as_array().unwrap().len(), 2);
    for (job, failures) in [(&first, 0), (&raw.is(202).json(), 1)] {
        let lost = server.get(&format!("{}/result?wait=50s", path(job))).await;
        assert_eq!(lost.is(400).slug(), "job-lost");
        assert_eq!(lost.json()["failures"], failures);
    }
}

#[tokio::test]
async fn the_life_of_an_answer() {
    let server = TestServer::new().await;
    let path = server.job().await;
    let waiting = server.get(&path).await;
    waiting.is(202);
    assert_eq!(waiting.header("location"), format!("{}{path}", server.url));
    assert!(waiting.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!((waiting.header("etag"), waiting.header("cache-control")), ("W/\"1\"", "no-store"));
    server.complete("k", json!({"n": 1})).await;
    let done = server.get(&path).await;
    done.is(200);
    assert!(!done.headers.contains_key("location") && !done.headers.contains_key("retry-after"));
    assert_eq!(done.header("etag"), "W/\"3\"");
    let job = done.json();
    assert_eq!(
        (&job["done"], &job["result"]["value"], &job["result"]["content_type"]),
        (&json!(true), &json!({"n": 1}), &json!("application/json"))
    );
    assert_eq!(job["result"]["href"], format!("{}{path}/result", server.url));
}

#[tokio::test]
async fn a_failed_job_is_a_problem_with_the_job_beside() {
    let server = TestServer::new().await;
    let path = server.job().await;
    server.fail("k").await;
    let failed = server.get(&path).await;
    assert_eq!(failed.is(400).slug(), "job-failed");
    let job = failed.json();
    assert_eq!(
        (&job["state"], &job["detail"], &job["title"]),
        (&json!("failed"), &json!("all of it"), &json!("The job failed"))
    );
    assert_eq!(job["error"], json!({"type": "Boom", "title": "it broke", "detail": "all of it"}));
    assert_eq!(failed.header("cache-control"), "no-store");
    for tag in ["*", "W/\"3\""] {
        send(server.ask(Method::GET, &path).header("if-none-match", tag)).await.is(400);
    }
    let plain = server.get(&format!("{path}?on_failure=200")).await;
    plain.is(200);
    assert_eq!(plain.header("content-type"), "application/json");
    assert_eq!(server.get(&format!("{path}/result")).await.is(400).slug(), "job-failed");
    server.get(&format!("{path}?on_failure=503")).await.is(503);
    // A failed job is never "not changed", "no content" or elsewhere.
    for odd in [204, 205, 206, 302, 304, 600, 99] {
        assert_eq!(server.get(&format!("{path}?on_failure={odd}")).await.is(400).slug(), "invalid-request", "{odd}");
    }

    let canceled = server.job().await;
    server.post(&format!("{canceled}/cancel"), json!(null)).await.is(200);
    assert_eq!(server.get(&canceled).await.is(400).slug(), "job-canceled");

    let mild = TestServer::with(|options| options.failed_status = 200).await;
    let path = mild.job().await;
    mild.fail("k").await;
    assert_eq!(mild.get(&path).await.is(200).json()["state"], "failed");
}

#[tokio::test]
async fn what_is_not_there() {
    let server = TestServer::new().await;
    for path in [
        "/jobs/0193a7a0-0000-7000-8000-000000000000",
        "/jobs/abc",
        "/jobs/..%2f..%2fetc",
        "/jobs/%00",
        "/jobs/0193a7a000007000800000000000000a",
        "/nothing",
        "/jobs/",
    ] {
        let reply = server.get(path).await;
        assert_eq!(reply.is(404).slug(), "not-found", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let path = server.job().await;
    server.complete("k", json!(1)).await;
    send(server.ask(Method::DELETE, &path)).await.is(204);
    for gone in [
        path.clone(),
        format!("{path}/result"),
        format!("{path}/events"),
        format!("{path}/stream"),
        format!("{path}/log"),
    ] {
        let reply = server.get(&gone).await;
        assert_eq!(reply.is(410).slug(), "purged", "{gone}");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn not_changed() {
    let server = TestServer::new().await;
    let path = server.job().await;
    for tag in ["W/\"1\"", "\"1\"", "\"0\", W/\"1\"", "*"] {
        let same = send(server.ask(Method::GET, &path).header("if-none-match", tag)).await;
        same.is(304);
        assert_eq!(same.header("etag"), "W/\"1\"");
        assert!(!same.header("retry-after").is_empty() && same.bytes.is_empty());
    }
    send(server.ask(Method::GET, &path).header("if-none-match", "W/\"10\"")).await.is(202);
    // With a wait: at the next change.
    let waiting = send(server.ask(Method::GET, &format!("{path}?wait=30s")).header("if-none-match", "W/\"1\""));
    let (changed, lease) = tokio::join!(waiting, server.lease("k"));
    assert_eq!(changed.is(202).json()["state"], "running");
    assert_eq!(changed.header("preference-applied"), "", "it sent no preference");
    let same = send(server.ask(Method::GET, &path).header("prefer", "wait=1").header("if-none-match", "W/\"2\"")).await;
    assert_eq!(same.is(304).header("preference-applied"), "wait=1");
    let lease = super::test_server::text(&lease["lease"]).to_owned();
    server.post(&format!("/leases/{lease}/complete"), json!(1)).await.is(200);
    assert!(
        send(server.ask(Method::GET, &path).header("if-none-match", "W/\"3\""))
            .await
            .is(304)
            .header("retry-after")
            .is_empty()
    );
}

#[tokio::test]
async fn waits_end_with_the_job_and_are_capped() {
    let server = TestServer::with(|options| options.limits.wait = 1_000).await;
    let path = server.job().await;
    let url = format!("{path}?wait=1");
    let (done, _) = tokio::join!(server.get(&url), server.complete("k", json!(1)));
    done.is(200);
    let path = server.job().await;
    let capped = send(server.ask(Method::GET, &path).header("prefer", "wait=99")).await;
    assert_eq!(capped.is(202).header("preference-applied"), "wait=1");
    assert_eq!(server.get(&format!("{path}?wait=99s")).await.is(202).header("preference-applied"), "");
    let both = send(server.ask(Method::GET, &format!("{path}?wait=0")).header("prefer", "wait=99")).await;
    assert_eq!(both.is(202).header("preference-applied"), "wait=0", "what was applied");
    server.get(&format!("{path}?wait=soon")).await.is(400);
    send(server.ask(Method::GET, &path).header("prefer", "wait=soon")).await.is(202);
}

#[tokio::test]
async fn head_wherever_get() {
    let server = TestServer::new().await;
    let path = server.job().await;
    server.complete("k", json!({"n": 1})).await;
    for path in [
        path.clone(),
        format!("{path}/result"),
        format!("{path}/events"),
        format!("{path}/log"),
        "/jobs".into(),
        "/".into(),
        "/docs".into(),
        "/openapi.json".into(),
        "/metrics".into(),
        "/livez".into(),
        "/problems/purged".into(),
        "/queues".into(),
        "/kinds".into(),
        "/workers".into(),
    ] {
        let (head, get) = (send(server.ask(Method::HEAD, &path)).await, server.get(&path).await);
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.bytes.is_empty());
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn other_methods_are_named() {
    let server = TestServer::new().await;
    for (method, path, allow) in [
        (Method::DELETE, "/jobs", "GET"),
        (Method::PATCH, "/jobs/0193a7a0-0000-7000-8000-000000000000", "DELETE"),
        (Method::GET, "/leases", "POST"),
        (Method::POST, "/livez", "GET"),
        (Method::OPTIONS, "/jobs", "POST"),
        (Method::TRACE, "/jobs", "POST"),
    ] {
        let reply = send(server.ask(method.clone(), path)).await;
        assert_eq!(reply.is(405).slug(), "method-not-allowed", "{method} {path}");
        assert!(reply.header("allow").contains(allow), "{}", reply.header("allow"));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn public_url_begins_every_link() {
    let server =
        TestServer::with(|options| options.public_url = Some("https://jobs.example.com/api/".to_owned())).await;
    let reply = server.post("/jobs", json!({"kind": "k"})).await;
    let url = format!("https://jobs.example.com/api{}", path(&reply.json()));
    assert_eq!(reply.header("location"), url);
    assert_eq!(reply.json()["links"]["self"], url);
    let behind = server.ask(Method::GET, "/jobs").header("host", "jobs.example.com");
    send(behind).await.is(200);
}

#[tokio::test]
async fn a_token_opens_everything_but_what_is_open() {
    let server = TestServer::with(|options| options.admin_token = Some("t0p".to_owned())).await;
    for path in ["/", "/jobs", "/metrics", "/docs", "/openapi.json", "/events", "/queues", "/nowhere"] {
        let refused = server.get(path).await;
        assert_eq!(refused.is(401).slug(), "unauthorized", "{path}");
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
        assert!(refused.json()["detail"].to_string().contains("Authorization: Bearer"), "{}", refused.text());
        send(server.ask(Method::GET, path).bearer_auth("t0p").timeout(std::time::Duration::from_secs(5)))
            .await
            .is(if path == "/nowhere" { 404 } else { 200 });
    }
    send(server.ask(Method::GET, "/jobs").bearer_auth("t0q")).await.is(401);
    for path in ["/livez", "/readyz", "/problems/purged", "/assets/raincheck.css", "/assets/job.js", "/assets/api.js"] {
        server.get(path).await.is(200);
        send(server.ask(Method::GET, path).header("host", "evil.test").bearer_auth("t0q")).await.is(200);
    }
    server.get("/problems/nope").await.is(404);
    let old = server.raw(b"GET /readyz HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200") || old.starts_with("HTTP/1.1 200"), "a probe names no host: {old}");
}
