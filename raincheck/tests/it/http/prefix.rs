//! A server behind a proxy that puts a path before its own.

use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, send, text};

const PUBLIC: &str = "https://jobs.example.com/api";

async fn server() -> TestServer {
    TestServer::with(|options| options.public_url = Some(PUBLIC.to_owned())).await
}

#[tokio::test]
async fn types_of_problems_and_links_begin_with_the_public_url() {
    let server = server().await;
    let id = server.submit(json!({"kind": "k"})).await["id"].clone();
    let lease = server.lease("k").await;
    let lease = text(&lease["lease"]);
    let fail = json!({"lease": lease, "fail": {"error": {"detail": "no"}, "retryable": false}});
    let finish = |finish| json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 0, "finish": [finish]});
    assert_eq!(server.post("/leases", finish(fail.clone())).await.is(200).json()["finished"][0]["state"], "failed");

    let of = |slug: &str| json!(format!("{PUBLIC}/problems/{slug}"));
    let again = json!({"lease": lease, "complete": {"result": 1}});
    let late = server.post("/leases", finish(again)).await.json();
    assert_eq!(late["finished"][0]["problem"]["type"], of("lease-lost"), "{late}");
    let beats = server.post("/leases/heartbeat", json!({"heartbeats": [{"lease": "x"}]})).await.json();
    assert_eq!(beats["heartbeats"][0]["problem"]["type"], of("not-found"), "{beats}");
    let failed = server.get(&format!("/jobs/{}", text(&id))).await.is(400).json();
    assert_eq!((&failed["type"], &failed["error"]["type"]), (&of("job-failed"), &of("job-failed")));
    let events = server.get("/events?after=0").await.json();
    assert_eq!(events["items"][2]["data"]["problem"]["type"], of("job-failed"), "{events}");
    assert_eq!(server.get("/nothing").await.is(404).json()["type"], of("not-found"));

    server.submit(json!({"kind": "k"})).await;
    let lease = server.lease("k").await;
    let done = json!({"result": {"a": 1}});
    server.post(&format!("/leases/{}/complete", text(&lease["lease"])), done).await.is(200);
    let events = server.get("/events?after=0&include=result").await.json();
    let href = &events["items"].as_array().unwrap().last().unwrap()["data"]["result"]["href"];
    assert_eq!(*href, format!("{PUBLIC}/jobs/{}/result", text(&lease["job"]["id"])));
}

/// A proxy takes the path away again, so a page can't name one from the top.
#[tokio::test]
async fn pages_lead_nowhere_but_to_each_other() {
    let server = server().await;
    let job = server.submit(json!({"kind": "k"})).await["id"].clone();
    let job = format!("/jobs/{}", text(&job));
    for (page, home) in [("/", "./"), ("/docs", "./"), (&job, "../"), ("/problems/purged", "../")] {
        let shown = send(server.ask(Method::GET, page).header("accept", "text/html")).await.is(200).text();
        for from_the_top in ["href=\"/", "src=\"/", "href=\"http", "src=\"http"] {
            assert!(!shown.contains(from_the_top), "{page}: {shown}");
        }
        assert!(shown.contains(&format!("href=\"{home}assets/raincheck.css\"")), "{page}: {shown}");
    }
    for script in ["/assets/job.js", "/assets/api.js"] {
        let shown = server.get(script).await.text();
        for from_the_top in ["fetch(\"/", "fetch(`/", "EventSource(\"/", "EventSource(`/"] {
            assert!(!shown.contains(from_the_top), "{script}: {shown}");
        }
    }
}
