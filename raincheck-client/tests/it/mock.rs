//! A server of the worker protocol with its state in memory: enough of the contract to prove the client right.

mod work;

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use work::*;

#[derive(Clone, Default)]
pub struct Job {
    pub kind: String,
    pub label: Option<String>,
    pub tags: HashMap<String, String>,
    pub inline: Option<String>,
    pub input: Option<(String, Vec<u8>)>,
    pub state: String,
    pub attempt: u32,
    pub lease: Option<String>,
    /// The lease that is over; its log is still taken.
    pub over: Option<String>,
    pub cancel_requested: bool,
    pub result: Option<(String, Vec<u8>)>,
    pub disposition: Option<String>,
    pub failure: Option<Value>,
    pub progress: Vec<Value>,
    pub stream: Vec<u8>,
    pub stream_type: Option<String>,
    pub log: Vec<u8>,
    pub ends: u32,
    pub releases: u32,
    pub beats: u32,
    pub leased_at: Option<Instant>,
}

#[derive(Default)]
pub struct Table {
    pub jobs: Vec<Job>,
    pub requests: HashMap<String, Vec<usize>>,
    pub lease_calls: u32,
    pub ends_in_lease_calls: u32,
    pub largest_batch: usize,
    /// Does the work of the next such request, then breaks the connection: `lease`, `finish`, `result`, `batch`.
    pub lose_answer: HashSet<&'static str>,
    /// Jobs by the request ids of their batches.
    pub batches: std::collections::HashMap<String, Vec<usize>>,
    pub refuse_leases: Option<StatusCode>,
    /// Answers the next so many requests for work as a server does that is about to stop.
    pub drain: u32,
    /// What workers said about themselves.
    pub troubles: Vec<String>,
    pub limits: Limits,
    /// Holds what is appended to logs until this is over.
    pub log_is_slow: bool,
    /// Requests that append to a log.
    pub logs_asked: u32,
    /// Answers the next so many requests for an input with 503.
    pub refuse_inputs: u32,
    /// The files of inputs are gone.
    pub inputs_are_lost: bool,
    /// What is released is queued again, as by a real server; without it that is its end.
    pub again: bool,
}

/// What is taken of a run, in bytes.
#[derive(Clone, Copy)]
pub struct Limits {
    pub result: u64,
    pub stream: u64,
    pub log: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { result: 1 << 30, stream: 64 << 20, log: 8 << 20 }
    }
}

pub type Shared = Arc<Mutex<Table>>;

pub struct Mock {
    pub table: Shared,
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Mock {
    pub fn start() -> Self {
        let mut mock = Self { table: Shared::default(), address: ([127, 0, 0, 1], 0).into(), runtime: None };
        mock.up();
        mock
    }

    /// Goes away with all its connections.
    pub fn down(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// The port, without anybody who answers.
    pub fn listen(&self) -> std::net::TcpListener {
        // The runtime that is shut down in the background may hold the port for a moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => return listener,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Comes (back) on the same port with the same state.
    pub fn up(&mut self) {
        let listener = self.listen();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let app = router(self.table.clone());
        runtime.spawn(async move {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
        });
        self.runtime = Some(runtime);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap()
    }

    /// Queues a job with this JSON text as its input.
    pub fn json(&self, kind: &str, input: &str) -> usize {
        self.add(Job { kind: kind.into(), inline: Some(input.into()), ..Job::default() })
    }

    /// Queues a job with these bytes as its input.
    pub fn bytes(&self, kind: &str, content_type: &str, input: &[u8]) -> usize {
        self.add(Job { kind: kind.into(), input: Some((content_type.into(), input.into())), ..Job::default() })
    }

    pub fn add(&self, job: Job) -> usize {
        let mut table = self.table();
        table.jobs.push(Job { state: "queued".into(), ..job });
        table.jobs.len() - 1
    }

    pub fn job(&self, id: usize) -> Job {
        self.table().jobs[id].clone()
    }

    pub fn cancel(&self, id: usize) {
        self.table().jobs[id].cancel_requested = true;
    }

    /// The lease is over, as after a timeout; the job goes to nobody else.
    pub fn lose(&self, id: usize) {
        let job = &mut self.table().jobs[id];
        (job.over, job.state) = (job.lease.take(), "lost".into());
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.down();
    }
}

fn router(table: Shared) -> Router {
    Router::new()
        .route("/jobs", post(submit))
        .route("/jobs/batch", post(batch))
        .route("/jobs/{id}", get(one))
        .route("/jobs/{id}/result", get(result))
        .route("/jobs/{id}/stream", get(stream))
        .route("/jobs/{id}/events", get(events))
        .route("/leases", post(lease))
        .route("/leases/heartbeat", post(heartbeats))
        .route("/leases/{lease}/heartbeat", post(heartbeat))
        .route("/leases/{lease}/complete", post(complete))
        .route("/leases/{lease}/fail", post(fail))
        .route("/leases/{lease}/release", post(release))
        .route("/leases/{lease}/input", get(input))
        .route("/leases/{lease}/stream", post(append_stream))
        .route("/leases/{lease}/log", post(append_log))
        .layer(DefaultBodyLimit::max(64 << 20))
        .with_state(table)
}

fn problem(status: u16, slug: &str) -> Response {
    let body = json!({"type": format!("http://x/problems/{slug}"), "title": slug, "status": status});
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// Breaks the connection instead of answering.
fn vanish() -> ! {
    std::panic::resume_unwind(Box::new("answer lost on purpose"))
}

fn is_done(job: &Job) -> bool {
    matches!(job.state.as_str(), "succeeded" | "failed" | "canceled")
}

fn show(id: usize, job: &Job) -> Value {
    let value = job.result.as_ref().and_then(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
    json!({
        "id": id.to_string(), "kind": job.kind, "queue": "default", "method": "POST", "state": job.state,
        "done": is_done(job), "attempt": job.attempt, "max_attempts": 5, "label": job.label, "tags": job.tags,
        "cancel_requested": job.cancel_requested, "something_new": {"of": "a later version"},
        "result": job.result.as_ref().map(|(content_type, bytes)| json!({
            "href": format!("/jobs/{id}/result"), "content_type": content_type, "size": bytes.len(), "value": value})),
        "error": job.failure.as_ref().map(|failure| failure["error"].clone()),
    })
}

fn running<'a>(table: &'a mut Table, lease: &str) -> Option<(usize, &'a mut Job)> {
    table.jobs.iter_mut().enumerate().find(|(_, job)| job.lease.as_deref() == Some(lease))
}

async fn submit(State(table): State<Shared>, Json(new): Json<Value>) -> Response {
    let mut table = table.lock().unwrap();
    let id = table.jobs.len();
    table.jobs.push(Job {
        kind: new["kind"].as_str().unwrap().into(),
        inline: new.get("input").map(Value::to_string),
        state: "queued".into(),
        ..Job::default()
    });
    let location = format!("http://x/jobs/{id}");
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(show(id, &table.jobs[id]))).into_response()
}

/// A request id stands for its jobs.
async fn batch(State(table): State<Shared>, Json(batch): Json<Value>) -> Response {
    let mut table = table.lock().unwrap();
    let id = batch["request_id"].as_str().unwrap().to_owned();
    let (known, next) = (table.batches.get(&id).cloned(), table.jobs.len());
    let jobs = known.unwrap_or_else(|| {
        for new in batch["jobs"].as_array().unwrap() {
            let kind = new["kind"].as_str().unwrap().into();
            table.jobs.push(Job { kind, state: "queued".into(), ..Job::default() });
        }
        (next..table.jobs.len()).collect()
    });
    table.batches.insert(id, jobs.clone());
    if table.lose_answer.remove("batch") {
        drop(table);
        vanish();
    }
    let jobs: Vec<Value> = jobs.iter().map(|id| show(*id, &table.jobs[*id])).collect();
    (StatusCode::ACCEPTED, Json(json!({"jobs": jobs}))).into_response()
}

async fn until(wait: Option<&str>, mut ready: impl FnMut() -> bool) {
    let seconds: f64 = match wait {
        Some(text) if text.ends_with("ms") => text[..text.len() - 2].parse::<f64>().unwrap() / 1000.0,
        Some(text) => text.trim_end_matches('s').parse().unwrap(),
        None => 0.0,
    };
    let deadline = Instant::now() + Duration::from_secs_f64(seconds);
    while !ready() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn one(
    State(table): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(id) = id.parse::<usize>().ok().filter(|id| *id < table.lock().unwrap().jobs.len()) else {
        return problem(404, "not-found");
    };
    until(query.get("wait").map(String::as_str), || is_done(&table.lock().unwrap().jobs[id])).await;
    let table = table.lock().unwrap();
    let job = &table.jobs[id];
    let status = match job.state.as_str() {
        "succeeded" => 200,
        "failed" if query.get("on_failure").map(String::as_str) != Some("200") => 400,
        "failed" => 200,
        _ => 202,
    };
    (StatusCode::from_u16(status).unwrap(), Json(show(id, job))).into_response()
}

/// Half of it and then a broken connection, when asked to lose the answer.
async fn result(State(table): State<Shared>, Path(id): Path<usize>, headers: HeaderMap) -> Response {
    let mut table = table.lock().unwrap();
    let lose = table.lose_answer.remove("result");
    let Some((content_type, bytes)) = table.jobs[id].result.clone() else {
        return if is_done(&table.jobs[id]) { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED }.into_response();
    };
    let range =
        headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-'));
    let from: usize = range.map_or(0, |from| from.parse().unwrap());
    let disposition = "attachment; filename=\"../x.bin\"".to_owned();
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::ETAG, "\"e\"".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_LENGTH, (bytes.len() - from).to_string()),
    ];
    let rest = bytes[from..].to_vec();
    let status = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    if lose {
        let half = Bytes::from(rest[..rest.len() / 2].to_vec());
        // The pause lets the half leave before the connection breaks.
        let broken = tokio_stream(half);
        return (status, headers, Body::from_stream(broken)).into_response();
    }
    (status, headers, rest).into_response()
}

fn tokio_stream(half: Bytes) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) => Some((Ok(half), None)),
            None => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Err(std::io::Error::other("cut")), None))
            }
        }
    })
}

async fn stream(
    State(table): State<Shared>,
    Path(id): Path<usize>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let offset: usize = query.get("offset").map_or(0, |offset| offset.parse().unwrap());
    let more = || {
        let table = table.lock().unwrap();
        table.jobs[id].stream.len() > offset || is_done(&table.jobs[id])
    };
    until(query.get("follow").map(|_| "20s"), more).await;
    let table = table.lock().unwrap();
    let job = &table.jobs[id];
    // One piece an answer: the client has to come back for each, as after a broken connection.
    match job.stream.get(offset..offset + 3.min(job.stream.len().saturating_sub(offset))) {
        Some(piece) if !piece.is_empty() => {
            let headers = [("raincheck-attempt", job.attempt.to_string()), ("content-type", "text/plain".into())];
            (headers, piece.to_vec()).into_response()
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A job has three events; the last comes when it is done.
async fn events(
    State(table): State<Shared>,
    Path(id): Path<usize>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let after: u64 = query.get("after").map_or(0, |after| after.parse().unwrap());
    until(query.get("wait").map(String::as_str), || after < 2 || is_done(&table.lock().unwrap().jobs[id])).await;
    let done = is_done(&table.lock().unwrap().jobs[id]);
    let last = if done { 3 } else { 2 };
    let types = ["created", "started", "succeeded"];
    let items: Vec<_> = (after + 1..=last)
        .map(|seq| json!({"seq": seq, "job": id.to_string(), "type": types[seq as usize - 1], "cursor": "c"}))
        .collect();
    Json(json!({"items": items, "next_after": last.max(after), "done": done})).into_response()
}
