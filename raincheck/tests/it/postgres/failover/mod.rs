//! A database that moves to another server, loses something on the way, or comes back as another.

mod lost;
mod seamless;

use std::time::Instant;

use pgcluster::{Cluster, Proxy, Replication, Settings, Stop};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LIMIT, Node};
use crate::server::until;

/// Two servers, one of which follows the other, and a folder of large payloads.
struct Site {
    primary: Cluster,
    standby: Cluster,
    folder: TempDir,
}

impl Site {
    fn new(replication: Replication) -> Site {
        let primary = Cluster::start(Settings::default()).unwrap();
        let standby = primary.standby(replication).unwrap();
        Site { primary, standby, folder: tempfile::tempdir().unwrap() }
    }

    /// A way to the first of the two.
    fn way(&self) -> Proxy {
        Proxy::to(self.primary.port()).unwrap()
    }

    fn node(&self, way: &Proxy) -> Node {
        Node::on(&way.url("postgres"), self.folder.path())
    }

    /// What is written from here on, the standby does not have.
    fn hold_back(&self) {
        self.standby.catch_up(&self.primary).unwrap();
        self.standby.stop_following().unwrap();
    }

    /// The primary dies, and the standby takes its place.
    fn take_over(&self, way: &Proxy) {
        self.primary.stop(Stop::Kill).unwrap();
        self.standby.promote().unwrap();
        way.lead(self.standby.port());
    }
}

impl Node {
    /// How often it has found another history than the one that it knew.
    async fn changes(&self) -> u64 {
        self.figure("raincheck_history_changes_total ").await
    }

    /// How many events it knew of that are not there.
    async fn missing(&self) -> u64 {
        self.figure("raincheck_missing_events ").await
    }

    /// Submits until it is taken: while the database is not there, that is refused or nobody knows.
    pub(in crate::postgres) async fn insist(&self, path: &str, body: &Value) -> Value {
        let begin = Instant::now();
        loop {
            if let Ok(answer) = self.ask(reqwest::Method::POST, path).json(body).send().await {
                match answer.status() {
                    StatusCode::SERVICE_UNAVAILABLE => {}
                    status => {
                        let answer = answer.json().await.unwrap();
                        assert!(status.is_success(), "{status} {answer}");
                        return answer;
                    }
                }
            }
            assert!(begin.elapsed() < LIMIT, "not taken");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// So many jobs, each of a kind of its own; their ids.
    async fn one_of_each(&self, kinds: &[String]) -> Vec<String> {
        let jobs = kinds.iter().map(|kind| json!({"kind": kind, "key": kind}));
        let answer = self.insist("/jobs/batch", &json!({"jobs": jobs.collect::<Vec<_>>()})).await;
        let jobs = answer["jobs"].as_array().unwrap();
        jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    }

    /// One lease of each of some jobs of these kinds, by job.
    async fn lease_all(&self, kinds: &[String], count: usize) -> Vec<(String, String)> {
        let ask = json!({"worker": {"name": "w"}, "kinds": kinds, "max": count, "wait": "5s", "ttl": "60s"});
        let mut all = Vec::new();
        while all.len() < count {
            let (status, answer) = self.post("/leases", ask.clone()).await;
            assert_eq!(status, 200, "{} of {count} leased: {answer}", all.len());
            let leases = answer["leases"].as_array().unwrap().iter();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            all.extend(leases.map(|lease| (text(&lease["job"]["id"]), text(&lease["lease"]))));
        }
        all
    }

    /// The place after every event so far, and how many there are.
    async fn head(&self) -> (String, usize) {
        let (mut after, mut count) = ("0".to_owned(), 0);
        loop {
            let (status, page) = self.get(&format!("/events?after={after}")).await;
            assert_eq!(status, 200, "{page}");
            let items = page["items"].as_array().unwrap().len();
            if items == 0 {
                return (after, count);
            }
            count += items;
            after = page["next_after"].as_str().unwrap().to_owned();
        }
    }

    async fn is_ready(&self) {
        until("it is ready", LIMIT, async || self.get("/readyz").await.0 == 200).await;
    }
}

fn kinds(of: &str) -> Vec<String> {
    (0..40).map(|n| format!("{of}-{n}")).collect()
}
