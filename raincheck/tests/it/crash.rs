//! Workers that die, with and without their server, and what must be true afterwards. A server killed under load is
//! the crate `torture`'s matter.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Server, processes, until};

async fn job(http: &reqwest::Client, url: &str, id: &str) -> Value {
    let answer = http.get(format!("{url}/jobs/{id}?on_failure=200")).send().await.unwrap();
    assert!(answer.status().is_success(), "acknowledged job {id}: {}", answer.status());
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_dead_workers_job_is_leased_again_and_ends_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (http, url) = (reqwest::Client::new(), &server.url);
    let post = async |path: &str, body: Value| http.post(format!("{url}{path}")).json(&body).send().await.unwrap();
    let submitted: Value = post("/jobs", json!({"kind": "k"})).await.json().await.unwrap();
    let ask = json!({"worker": {"name": "mayfly"}, "kinds": ["k"], "max": 1, "ttl": "2s", "wait": "10s"});
    let first: Value = post("/leases", ask.clone()).await.json().await.unwrap();
    let started = Instant::now();
    // Nobody sends a heartbeat: as good as killed.
    let second: Value = post("/leases", ask).await.json().await.unwrap();
    let waited = started.elapsed();
    assert_eq!(second["leases"][0]["job"]["id"], submitted["id"]);
    assert_eq!(second["leases"][0]["attempt"], 2);
    assert!(waited >= Duration::from_millis(1_900) && waited <= Duration::from_millis(3_000), "{waited:?}");
    let lease = |answer: &Value| answer["leases"][0]["lease"].as_str().unwrap().to_owned();
    let late = post(&format!("/leases/{}/complete", lease(&first)), json!("late")).await;
    assert_eq!(late.status(), 409);
    assert_eq!(late.json::<Value>().await.unwrap()["type"].as_str().unwrap().rsplit('/').next(), Some("lease-lost"));
    let good = post(&format!("/leases/{}/complete", lease(&second)), json!("good")).await;
    assert_eq!(good.status(), 200);
    let done = job(&http, url, submitted["id"].as_str().unwrap()).await;
    assert_eq!((&done["state"], &done["result"]["value"]), (&json!("succeeded"), &json!("good")));
}

#[tokio::test]
async fn children_of_a_killed_server_die_and_their_job_runs_again_once() {
    let folder = tempfile::tempdir().unwrap();
    let mark = format!("nap-{}", std::process::id());
    let script = folder.path().join("nap.sh");
    std::fs::write(&script, format!("#!/bin/sh\nsleep 300 & sh -c 'sleep 300 # {mark}'\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = folder.path().join("raincheck.toml");
    std::fs::write(&config, "[kinds.nap]\nrun = [\"./nap.sh\"]\n").unwrap();
    let config = config.to_str().unwrap();
    let mut server = Server::start(folder.path(), &["--config", config]);
    let http = reqwest::Client::new();
    let body = json!({"kind": "nap"});
    let submitted: Value =
        http.post(format!("{}/jobs", server.url)).json(&body).send().await.unwrap().json().await.unwrap();
    let id = submitted["id"].as_str().unwrap();
    until("the command runs", Duration::from_secs(10), async || !processes(&mark).is_empty()).await;
    server.kill();
    until("its processes are gone", Duration::from_secs(2), async || processes(&mark).is_empty()).await;

    // The restart gives the lease its full length again; it is lost then, and run again.
    let server = Server::start(folder.path(), &["--config", config]);
    until("it runs again", Duration::from_secs(45), async || {
        job(&http, &server.url, id).await["attempt"] == 2 && !processes(&mark).is_empty()
    })
    .await;
    let answer = http.post(format!("{}/jobs/{id}/cancel", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    until("the cancel reaches it", Duration::from_secs(15), async || {
        job(&http, &server.url, id).await["state"] == "canceled" && processes(&mark).is_empty()
    })
    .await;
}
