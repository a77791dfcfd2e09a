//! Pages, documents and figures.

use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, path, send};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn a_page_for_every_job_and_hostile_text_stays_text() {
    let server = TestServer::new().await;
    let evil = "<script>alert(1)</script>";
    let job = path(
        &server.submit(json!({"kind": "k", "label": evil, "input": evil, "tags": {evil: evil}, "key": evil})).await,
    );
    let page = send(server.ask(Method::GET, &job).header("accept", BROWSER)).await;
    page.is(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe")
    );
    assert!(page.header("vary").contains("Accept"));
    assert!(page.text().contains("&lt;script&gt;alert(1)") && !page.text().contains(evil));
    let lease = server.lease("k").await;
    let fail = json!({"error": {"type": evil, "title": evil, "detail": evil}, "retryable": false});
    server.post(&format!("/leases/{}/fail", super::test_server::text(&lease["lease"])), fail).await.is(200);
    let failed = send(server.ask(Method::GET, &job).header("accept", BROWSER)).await;
    assert!(!failed.is(200).text().contains(evil));
    send(server.ask(Method::GET, "/jobs/0193a7a0-0000-7000-8000-000000000000").header("accept", BROWSER)).await.is(404);
}

#[tokio::test]
async fn a_page_is_for_browsers() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
    for (accept, mode, status) in [(java, None, 202), ("text/html", None, 200), (java, Some("navigate"), 200)] {
        let request = server.ask(Method::GET, &job).header("accept", accept);
        let request = mode.into_iter().fold(request, |request, mode| request.header("sec-fetch-mode", mode));
        let reply = send(request).await;
        let media = if status == 202 { "application/json" } else { "text/html; charset=utf-8" };
        assert_eq!(reply.is(status).header("content-type"), media, "{accept} {mode:?}");
    }
    let missing = send(server.ask(Method::GET, "/nothing").header("accept", java)).await;
    assert_eq!(missing.is(404).slug(), "not-found");
}

#[tokio::test]
async fn the_start_page_shows_how_to_begin_and_then_what_there_is() {
    let server = TestServer::new().await;
    let empty = server.get("/").await;
    assert!(empty.is(200).text().contains(&format!("curl -i {}/jobs", server.url)));
    let job = server.job().await;
    assert!(server.get("/").await.text().contains(&format!("href=\"{}\"", &job[1..])));
    for (asset, media) in [
        ("/assets/raincheck.css", "text/css"),
        ("/assets/job.js", "text/javascript"),
        ("/assets/api.js", "text/javascript"),
    ] {
        assert!(server.get(asset).await.is(200).header("content-type").starts_with(media));
    }
    assert!(server.get("/docs").await.is(200).text().contains("/openapi.json"));
}

#[tokio::test]
async fn a_long_name_is_clipped_and_is_there_in_full() {
    let server = TestServer::new().await;
    let (kind, queue, label) = ("k".repeat(128), "q".repeat(128), "<\"".repeat(100));
    server.submit(json!({"kind": kind, "queue": queue, "label": label})).await;
    let page = server.get("/").await.text().to_owned();
    let clipped = |name: &str| page.matches(&format!("<span class=\"name\" title=\"{name}\">{name}</span>")).count();
    assert_eq!((clipped(&kind), clipped(&queue), clipped(&"&lt;&quot;".repeat(100))), (1, 2, 1), "{page}");
    assert!(server.get("/assets/raincheck.css").await.text().contains(".name { display: inline-block; max-width:"));
}

#[tokio::test]
async fn every_problem_has_a_page() {
    let server = TestServer::new().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
    let mut pages = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let slug = name.strip_suffix(".md").unwrap();
        if slug == "README" {
            continue;
        }
        let text = server.get(&format!("/problems/{slug}")).await;
        assert!(text.is(200).header("content-type").starts_with("text/markdown"));
        let page = send(server.ask(Method::GET, &format!("/problems/{slug}")).header("accept", BROWSER)).await;
        assert!(page.is(200).text().contains(&format!("<h1>{slug}</h1>")), "{slug}");
        pages += 1;
    }
    assert!(pages > 30);
    server.get("/problems/..%2f..%2fREADME").await.is(404);
}

#[tokio::test]
async fn health_and_metrics() {
    let server = TestServer::new().await;
    server.get("/livez").await.is(200);
    server.get("/readyz").await.is(200);
    let job = server.submit(json!({"kind": "k", "queue": "media"})).await;
    server.submit(json!({"kind": "k"})).await;
    let plain = server.get("/metrics").await;
    assert!(plain.is(200).header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = plain.text();
    assert!(
        text.contains("# TYPE raincheck_jobs_submitted_total counter\nraincheck_jobs_submitted_total 2\n"),
        "{text}"
    );
    assert!(text.contains("raincheck_queue_jobs{queue=\"media\",state=\"queued\"} 1"), "{text}");
    // The transaction of the second submit began after the first was over.
    let line = text.lines().find_map(|line| line.strip_prefix("raincheck_store_commit_seconds_count "));
    assert!(line.unwrap().parse::<u64>().unwrap() >= 1, "{text}");
    assert!(text.contains("raincheck_store_commit_seconds_bucket{le=\"0.006\"}"), "{text}");
    assert!(!text.contains(job["id"].as_str().unwrap()) && !text.contains("# EOF"));
    let open = send(
        server
            .ask(Method::GET, "/metrics")
            .header("accept", "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"),
    )
    .await;
    assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    assert!(open.text().contains("# TYPE raincheck_jobs_submitted counter\n") && open.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_browser_gets_a_page_also_where_there_is_nothing() {
    let server = TestServer::new().await;
    let browse = async |path: &str| send(server.ask(Method::GET, path).header("accept", BROWSER)).await;
    for (path, status, home) in [
        ("/jobs/0193a7a0-0000-7000-8000-000000000000", 404, "../"),
        ("/nothing", 404, "./"),
        ("/problems/nope", 404, "../"),
        ("/jobs?limit=0&q=<b>", 400, "./"),
    ] {
        let page = browse(path).await;
        assert_eq!((page.status, page.header("content-type")), (status, "text/html; charset=utf-8"), "{path}");
        assert!(
            page.header("content-security-policy").contains("default-src 'none'") && page.header("vary") == "Accept"
        );
        let text = page.text();
        assert!(text.contains(&format!("<a href=\"{home}problems/")) && !text.contains("<b>"), "{path}: {text}");
        assert_eq!(server.get(path).await.header("content-type"), "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn the_page_of_a_job_says_what_it_waits_for_and_an_end_has_no_bar() {
    let server = TestServer::new().await;
    let page = async |path: &str| send(server.ask(Method::GET, path).header("accept", BROWSER)).await.is(200).text();
    let later = path(&server.submit(json!({"kind": "later", "run_at": "2100-01-02T03:04:05Z"})).await);
    assert!(page(&later).await.contains("<p id=\"waiting\">Until 2100-01-02 03:04:05 UTC."));
    let waits = path(&server.submit(json!({"kind": "k"})).await);
    assert!(page(&waits).await.contains("No worker serves this kind in this queue now."));
    let lease = server.lease("k").await;
    let lease = super::test_server::text(&lease["lease"]);
    server.post(&format!("/leases/{lease}/heartbeat"), json!({"progress": {"percent": 65}})).await.is(200);
    let running = page(&waits).await;
    assert!(running.contains("max=\"100\" value=\"65\">") && running.contains("<p id=\"waiting\"></p>"), "{running}");
    send(server.ask(Method::POST, &format!("/leases/{lease}/complete"))).await.is(200);
    let done = page(&waits).await;
    assert!(done.contains(" hidden>65 %</progress>") && !done.contains("<h2>Result</h2>"), "{done}");
}
