//! kill -9 of the server and of workers, and what must be true afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::server::{Server, processes, until};

/// What clients and workers know for certain, because the server said so.
#[derive(Default)]
struct Log {
    acknowledged: Mutex<HashMap<String, String>>,
    completed: Mutex<HashSet<String>>,
    next_key: AtomicU64,
}

async fn submitter(url: String, log: Arc<Log>, stop: Arc<AtomicBool>) {
    let http = reqwest::Client::new();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("k{}", log.next_key.fetch_add(1, Ordering::Relaxed));
        let body = json!({"kind": "load", "key": key, "input": {"key": key}});
        let Ok(answer) = http.post(format!("{url}/jobs")).json(&body).send().await else { continue };
        assert_eq!(answer.status(), 202);
        let Ok(job) = answer.json::<Value>().await else { continue };
        log.acknowledged.lock().insert(job["id"].as_str().unwrap().to_owned(), key);
    }
}

async fn worker(url: String, log: Arc<Log>, stop: Arc<AtomicBool>) {
    let http = reqwest::Client::new();
    let mut finish: Vec<(String, String)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let done: Vec<Value> =
            finish.iter().map(|(lease, id)| json!({"lease": lease, "complete": {"result": {"id": id}}})).collect();
        let request = json!({"worker": {"name": "loader"}, "kinds": ["load"], "max": 8, "wait": "1s", "finish": done});
        let Ok(answer) = http.post(format!("{url}/leases")).json(&request).send().await else { continue };
        if answer.status() == 204 {
            continue;
        }
        assert_eq!(answer.status(), 200);
        let Ok(answer) = answer.json::<Value>().await else { continue };
        for (finished, (_, id)) in answer["finished"].as_array().unwrap().iter().zip(finish.drain(..)) {
            if finished["state"] == "succeeded" {
                log.completed.lock().insert(id);
            }
        }
        for lease in answer["leases"].as_array().unwrap() {
            finish.push((lease["lease"].as_str().unwrap().into(), lease["job"]["id"].as_str().unwrap().into()));
        }
    }
}

async fn job(http: &reqwest::Client, url: &str, id: &str) -> Value {
    let answer = http.get(format!("{url}/jobs/{id}?on_failure=200")).send().await.unwrap();
    assert!(answer.status().is_success(), "acknowledged job {id}: {}", answer.status());
    answer.json().await.unwrap()
}

/// 50 loops without a loss bound the chance of one per kill at 6 % (95 %); `RAINCHECK_KILLS` runs more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::default());
    let kills: u64 = std::env::var("RAINCHECK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let http = reqwest::Client::new();
    for round in 0..kills {
        let mut server = Server::start(folder.path(), &[]);
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for _ in 0..6 {
            tasks.push(tokio::spawn(submitter(server.url.clone(), log.clone(), stop.clone())));
        }
        for _ in 0..3 {
            tasks.push(tokio::spawn(worker(server.url.clone(), log.clone(), stop.clone())));
        }
        // The time of the kill is what varies; it comes from the round, so that a failure can be repeated.
        tokio::time::sleep(Duration::from_millis(100 + (round * 7_919) % 400)).await;
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
    }
    let server = Server::start(folder.path(), &[]);
    let acknowledged = log.acknowledged.lock().clone();
    let completed = log.completed.lock().clone();
    assert!(acknowledged.len() as u64 > kills * 10 && completed.len() as u64 > kills, "the load was no load");
    for (id, key) in &acknowledged {
        let job = job(&http, &server.url, id).await;
        assert_eq!(job["key"], **key);
        if completed.contains(id) {
            assert_eq!(job["state"], "succeeded", "a recorded end changed: {job}");
        }
    }
    // Let the rest end, then look at every job's own history.
    let stop = Arc::new(AtomicBool::new(false));
    let ending = tokio::spawn(worker(server.url.clone(), log.clone(), stop.clone()));
    until("every job ends after the faults stop", Duration::from_secs(90), async || {
        let queue: Value =
            http.get(format!("{}/queues/default", server.url)).send().await.unwrap().json().await.unwrap();
        queue["queued"] == 0 && queue["running"] == 0
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    ending.await.unwrap();
    for id in acknowledged.keys() {
        let url = format!("{}/jobs/{id}/events?after=0", server.url);
        let page: Value = http.get(url).send().await.unwrap().json().await.unwrap();
        let events = page["items"].as_array().unwrap();
        let finals =
            events.iter().filter(|e| ["succeeded", "failed", "canceled"].contains(&e["type"].as_str().unwrap()));
        assert_eq!(finals.count(), 1, "{id}: exactly one final event");
        assert_eq!(events.last().unwrap()["type"], "succeeded");
        for (n, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], n as u64 + 1, "{id}: a hole in its events");
        }
    }
    println!("{kills} kills, {} acknowledged, {} completions acknowledged", acknowledged.len(), completed.len());
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
