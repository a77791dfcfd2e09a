//! The limit: a bare axum handler in a process of its own, which parses the same body and answers the same bytes.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response, header},
    routing::{get, post},
};
use bytes::Bytes;
use raincheck::{
    bench::{
        Options,
        broken::broken,
        connection::{self, Answer},
        load,
        server::{Server, job},
    },
    cli::exit::{Exit, Failure},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tempfile::TempDir;

/// What rows call it.
pub const NAME: &str = "bare axum handler";

/// Starts it, with the answers in this folder.
pub fn start(answers: &Path) -> Result<Server, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--bare").arg(answers);
    Server::spawn(command, answers)
}

/// Its rate is the limit of what takes a job in.
pub struct Limit {
    answers: TempDir,
}

impl Limit {
    /// With what the server answers to a submit.
    pub async fn of_submits(options: &Options) -> Result<Self, Failure> {
        let (folder, answers) = (options.scratch()?, options.scratch()?);
        let server = Server::start(options, folder.path())?;
        let mut connection = server.connect().await?;
        keep(answers.path(), "submit", &connection.expect(&connection::post("/jobs", &job()), 202).await?)?;
        Ok(Self { answers })
    }

    /// Submits a second that it answers, in a process of its own.
    pub async fn rate(&self, callers: usize, time: Duration) -> Result<f64, Failure> {
        let bare = start(self.answers.path())?;
        Ok(load::run(bare.address, &connection::post("/jobs", &job()), 202, callers, time).await?.rate)
    }
}

/// An answer of the real server, to be given again.
struct Canned {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// The members that the measures send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewJob {
    kind: String,
    input: Box<RawValue>,
}

struct Answers {
    submit: Canned,
    status: Canned,
    unchanged: Canned,
}

/// Keeps an answer of the real server for the bare handler.
pub fn keep(folder: &Path, name: &str, answer: &Answer<'_>) -> Result<(), Failure> {
    std::fs::write(folder.join(name), [answer.head, answer.body].concat()).map_err(broken)
}

fn canned(folder: &Path, name: &str) -> Option<Canned> {
    let text = std::fs::read(folder.join(name)).ok()?;
    let end = connection::find(&text, b"\r\n\r\n")?;
    let head = String::from_utf8(text[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.get(9..12)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        // The server puts these there itself.
        if !name.eq_ignore_ascii_case("content-length") && !name.eq_ignore_ascii_case("date") {
            headers.insert(header::HeaderName::try_from(name).ok()?, value.parse().ok()?);
        }
    }
    Some(Canned { status, headers, body: Bytes::copy_from_slice(&text[end + 4..]) })
}

impl Canned {
    fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status.try_into().unwrap_or_default();
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

/// Serves the kept answers until it is killed.
pub async fn serve(folder: &Path) -> Result<Exit, Failure> {
    let or_empty =
        |name| canned(folder, name).unwrap_or(Canned { status: 404, headers: HeaderMap::new(), body: Bytes::new() });
    let answers = Answers { submit: or_empty("submit"), status: or_empty("status"), unchanged: or_empty("unchanged") };
    let router =
        Router::new().route("/jobs", post(submit)).route("/jobs/{id}", get(status)).with_state(Arc::new(answers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let (pid, address) = (std::process::id(), listener.local_addr()?);
    eprintln!("{{\"msg\":\"ready\",\"pid\":{pid},\"url\":\"http://{address}\"}}");
    axum::serve(tap(listener), router).await?;
    Ok(Exit::Done)
}

fn tap(listener: tokio::net::TcpListener) -> impl axum::serve::Listener<Addr = std::net::SocketAddr> {
    use axum::serve::ListenerExt as _;
    listener.tap_io(|stream| drop(stream.set_nodelay(true)))
}

async fn submit(State(answers): State<Arc<Answers>>, Json(job): Json<NewJob>) -> Response<Body> {
    std::hint::black_box((job.kind.len(), job.input.get().len()));
    answers.submit.response()
}

async fn status(State(answers): State<Arc<Answers>>, headers: HeaderMap) -> Response<Body> {
    let unchanged = headers.contains_key(header::IF_NONE_MATCH);
    if unchanged { answers.unchanged.response() } else { answers.status.response() }
}
