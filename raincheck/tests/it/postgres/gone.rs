//! Leases of jobs that are not there: purged, or lost with what the database came back without, before anybody noticed.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Node, TestSite, read};

/// What each way to use a lease is answered.
async fn answers(node: &Node, lease: &str) -> Vec<(&'static str, u16, String)> {
    let mut all = Vec::new();
    for (method, verb) in [
        (Method::POST, "heartbeat"),
        (Method::POST, "log"),
        (Method::POST, "stream"),
        (Method::POST, "release"),
        (Method::POST, "fail"),
        (Method::POST, "complete"),
        (Method::GET, "input"),
    ] {
        let (status, problem) = read(node.ask(method, &format!("/leases/{lease}/{verb}")).json(&json!({}))).await;
        all.push((verb, status.as_u16(), problem["type"].as_str().unwrap_or_default().to_owned()));
    }
    let of = |list: &Value| {
        let problem = &list[0]["problem"];
        let status = u16::try_from(problem["status"].as_u64().unwrap_or_default()).unwrap();
        (status, problem["type"].as_str().unwrap_or_default().to_owned())
    };
    let (_, beats) = node.post("/leases/heartbeat", json!({"heartbeats": [{"lease": lease}]})).await;
    let (status, slug) = of(&beats["heartbeats"]);
    all.push(("many heartbeats", status, slug));
    let (_, ends) = node.post("/leases", json!({"max": 0, "finish": [{"lease": lease, "complete": {}}]})).await;
    let (status, slug) = of(&ends["finished"]);
    all.push(("an end with others", status, slug));
    all
}

#[tokio::test]
async fn a_lease_is_lost_unless_its_job_is_known_to_be_purged() {
    let site = TestSite::new();
    let node = site.node();
    node.submit().await;
    let lost = node.lease().await["lease"].as_str().unwrap().to_owned();
    for table in ["lease", "event", "spec", "job"] {
        site.database.run(&format!("DELETE FROM {table}")).unwrap();
    }
    for (way, status, slug) in answers(&node, &lost).await {
        assert_eq!((status, &*slug), (409, "/problems/lease-lost"), "{way}");
    }
    let job = node.submit().await;
    let lease = node.lease().await;
    assert_eq!(node.complete(&lease, json!(1)).await.0, 200);
    assert_eq!(node.ask(Method::DELETE, &job).send().await.unwrap().status(), 204);
    for (way, status, slug) in answers(&node, lease["lease"].as_str().unwrap()).await {
        assert_eq!((status, &*slug), (410, "/problems/purged"), "{way}");
    }
}
