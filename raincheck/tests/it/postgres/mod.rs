//! The contract on PostgreSQL: one server, two servers on one database, and what the command line says about it.

mod away;
#[cfg(feature = "s3")]
mod bucket;
mod cli;
mod failover;
mod gone;
mod idle;
mod life;
mod migrate;
mod nodes;
mod pooler;
mod silence;
mod start;
mod unknown;

use std::path::Path;
use std::time::Duration;

use pgcluster::{Cluster, Database};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Server;

/// How long anything may take that should take none.
const LIMIT: Duration = Duration::from_secs(20);

/// A database and a folder of large payloads for one test.
struct TestSite {
    database: Database<'static>,
    folder: TempDir,
}

impl TestSite {
    fn new() -> TestSite {
        TestSite { database: Cluster::shared().database().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// One more node.
    fn node(&self) -> Node {
        Node::on(&self.database.url(), self.path())
    }
}

/// A server and the way to it.
struct Node {
    server: Server,
    http: reqwest::Client,
}

impl Node {
    fn on(store: &str, folder: &Path) -> Node {
        Node { server: Server::start(folder, &["--store", store]), http: reqwest::Client::new() }
    }

    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server.url))
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        read(self.ask(Method::POST, path).json(&body)).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.ask(Method::GET, path)).await
    }

    /// Submits a job of kind `k`; answers its path.
    async fn submit(&self) -> String {
        let (status, job) = self.post("/jobs", json!({"kind": "k", "input": {"n": 1}})).await;
        assert_eq!(status, 202, "{job}");
        format!("/jobs/{}", job["id"].as_str().unwrap())
    }

    /// The lease of one job of kind `k`, once there is one.
    async fn lease(&self) -> Value {
        let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 1, "wait": "20s", "ttl": "2s"});
        let (status, answer) = self.post("/leases", ask).await;
        assert_eq!(status, 200, "nothing to lease");
        answer["leases"][0].clone()
    }

    async fn complete(&self, lease: &Value, result: Value) -> (StatusCode, Value) {
        self.post(&format!("/leases/{}/complete", lease["lease"].as_str().unwrap()), result).await
    }

    /// A metric, by its name with all its labels and a blank.
    async fn figure(&self, name: &str) -> u64 {
        let answer = self.ask(Method::GET, "/metrics").send().await.unwrap();
        let text = answer.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("nobody tells {name}")).parse().unwrap()
    }

    async fn state(&self, job: &str) -> String {
        self.get(job).await.1["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Follows a job's events; ends by itself with the job.
    async fn watch(&self, job: &str) -> Watch {
        let ask = self.ask(Method::GET, &format!("{job}/events?after=0")).header("accept", "text/event-stream");
        let answer = ask.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Watch { answer, text: Vec::new() }
    }
}

/// An open stream of events.
struct Watch {
    answer: reqwest::Response,
    /// What has come of it.
    text: Vec<u8>,
}

impl Watch {
    /// Reads until an event of a type has come.
    async fn until(&mut self, event_type: &str) {
        while !self.types_so_far().iter().any(|known| known == event_type) {
            assert!(self.more().await, "the stream ended before {event_type}");
        }
    }

    /// The types of all events, once it has ended.
    async fn types(mut self) -> Vec<String> {
        while self.more().await {}
        self.types_so_far()
    }

    async fn more(&mut self) -> bool {
        let piece =
            tokio::time::timeout(LIMIT, self.answer.chunk()).await.expect("the stream ends with the job").unwrap();
        self.text.extend(piece.iter().flatten());
        piece.is_some()
    }

    fn types_so_far(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.text);
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let events = whole.lines().filter_map(|line| line.strip_prefix("data: "));
        let events = events.map(|data| serde_json::from_str::<Value>(data).unwrap());
        events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

async fn read(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}
