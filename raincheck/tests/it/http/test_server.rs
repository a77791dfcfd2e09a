//! A server in this process on a port of its own, with its data in a folder that goes away with it.

use std::sync::Arc;
use std::time::Duration;

use raincheck_core::SystemClock;
use raincheck_engine::{Engine, Settings};
use raincheck_http::{Options, bind, serve};
use raincheck_store::{SqliteOptions, SqliteStore};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub struct TestServer {
    pub url: String,
    pub http: reqwest::Client,
    pub engine: Engine,
    pub shutdown: CancellationToken,
    pub serving: Option<tokio::task::JoinHandle<anyhow::Result<()>>>,
    pub folder: tempfile::TempDir,
}

/// What came back, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The slug of a problem.
    pub fn slug(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["title"].is_string());
        problem["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
    }

    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{:#?}\n{}", self.headers, self.text());
        self
    }
}

pub async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
    Reply { status: status.as_u16(), headers, bytes }
}

impl TestServer {
    pub async fn new() -> TestServer {
        TestServer::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> TestServer {
        TestServer::on(change, |_| ()).await
    }

    pub async fn on(change: impl FnOnce(&mut Options), change_store: impl FnOnce(&mut SqliteOptions)) -> TestServer {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::default());
        let mut sqlite = SqliteOptions { clock: clock.clone(), ..SqliteOptions::in_folder(folder.path()) };
        change_store(&mut sqlite);
        let store = SqliteStore::open(sqlite).unwrap();
        let engine = Engine::start(store, clock, Settings::default()).await.unwrap();
        let mut options = Options { listen: ([127, 0, 0, 1], 0).into(), ..Options::default() };
        change(&mut options);
        let listener = bind(&options).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, engine.clone(), Arc::new(options), shutdown.clone()));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        TestServer { url, http, engine, shutdown, serving: Some(serving), folder }
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.http.request(method, url)
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.ask(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        send(self.ask(Method::POST, path).json(&body)).await
    }

    /// A new job, as it was answered.
    pub async fn submit(&self, body: Value) -> Value {
        self.post("/jobs", body).await.is(202).json()
    }

    /// The path of a new job of kind `k`.
    pub async fn job(&self) -> String {
        path(&self.submit(json!({"kind": "k"})).await)
    }

    /// Leases one job of `kind`.
    pub async fn lease(&self, kind: &str) -> Value {
        let ask = json!({"worker": {"name": "test"}, "kinds": [kind], "max": 1, "wait": "10s"});
        self.post("/leases", ask).await.is(200).json()["leases"][0].clone()
    }

    /// Runs one job of `kind` with this JSON result.
    pub async fn complete(&self, kind: &str, result: Value) -> Value {
        let lease = self.lease(kind).await;
        self.post(&format!("/leases/{}/complete", text(&lease["lease"])), result).await.is(200).json()
    }

    /// Fails one run of `kind` for good.
    pub async fn fail(&self, kind: &str) -> Value {
        let lease = self.lease(kind).await;
        let body = json!({"error": {"type": "Boom", "title": "it broke", "detail": "all of it"}, "retryable": false});
        self.post(&format!("/leases/{}/fail", text(&lease["lease"])), body).await.is(200).json()
    }

    /// Bytes as they are; answers all bytes until the server closes, or what came within two seconds.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The path of a job.
pub fn path(job: &Value) -> String {
    format!("/jobs/{}", text(&job["id"]))
}
