//! The worker's requests: lease, heartbeat, append, finish.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{
    Body, Client,
    call::{encode, next_chunk},
    result::filename,
};
use crate::{
    Error,
    api::{
        Appended, Failure, Finish, Heartbeat, HeartbeatAnswer, Job, LeaseAnswer, LeaseRequest, RawJson, WireDuration,
    },
};

/// What a successful run leaves.
#[derive(Debug)]
pub enum ResultBody {
    /// Nothing.
    None,
    /// JSON, kept as its text.
    Json(RawJson),
    /// Bytes of any type.
    Bytes {
        /// The bytes that are sent, as they are.
        bytes: Bytes,
        /// Their media type.
        content_type: String,
        /// A name to save them under.
        filename: Option<String>,
    },
    /// A file of any size; read while it is sent, and not removed.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its media type.
        content_type: String,
        /// A name to save it under.
        filename: Option<String>,
    },
    /// The first bytes of an open file, read from its beginning while they are sent, wherever it was read before.
    OpenFile {
        /// The file that they are read from.
        file: Arc<std::fs::File>,
        /// How many bytes; a file that has become shorter is an error.
        size: u64,
        /// Their media type.
        content_type: String,
        /// A name to save them under.
        filename: Option<String>,
    },
}

/// An input in the reading.
pub struct Input {
    /// Its media type.
    pub content_type: Option<String>,
    /// The name that it was submitted with.
    pub filename: Option<String>,
    response: reqwest::Response,
    url: String,
}

impl Input {
    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the connection breaks, [`Error::TimedOut`] when the server falls silent.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        next_chunk(&mut self.response).await?.map_err(|source| Error::Unreachable { url: self.url.clone(), source })
    }
}

#[derive(Serialize)]
struct LeaseBody<'a> {
    #[serde(flatten)]
    request: &'a LeaseRequest,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    finish: &'a [Finish],
}

#[derive(Serialize)]
struct Heartbeats<'a> {
    heartbeats: &'a [Heartbeat],
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<WireDuration>,
}

#[derive(Deserialize)]
struct HeartbeatAnswers {
    heartbeats: Vec<HeartbeatAnswer>,
}

#[derive(Serialize)]
struct OneHeartbeat<'a> {
    #[serde(flatten)]
    heartbeat: &'a Heartbeat,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<WireDuration>,
}

impl Client {
    /// Leases work and hands in what is finished; empty when there was nothing in time.
    ///
    /// # Errors
    /// As every request. Ask again with the same `request_id` after a broken connection.
    pub async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, Error> {
        self.lease_with(request, &[]).await
    }

    /// The same, handing in these as well, which are somebody else's.
    pub(crate) async fn lease_with(&self, request: &LeaseRequest, finish: &[Finish]) -> Result<LeaseAnswer, Error> {
        let held = request.wait.map(|wait| wait.0);
        let body = LeaseBody { request, finish };
        let answer = self.call(Method::POST, "/leases").held(held).json(&body)?.send().await?.accepted()?;
        if answer.status == StatusCode::NO_CONTENT { Ok(LeaseAnswer::default()) } else { answer.json() }
    }

    /// A sign of life of one run; with `wait` it is answered early when the run should stop.
    ///
    /// # Errors
    /// 409 `lease-lost`.
    pub async fn heartbeat(&self, beat: &Heartbeat, wait: Option<Duration>) -> Result<HeartbeatAnswer, Error> {
        let path = format!("/leases/{}/heartbeat", encode(&beat.lease));
        let heartbeat = Heartbeat { lease: String::new(), ..beat.clone() };
        let body = serde_json::to_value(OneHeartbeat { heartbeat: &heartbeat, wait: wait.map(Into::into) })?;
        self.call(Method::POST, &path).held(wait).json(&body)?.send().await?.accepted()?.json()
    }

    /// Signs of life of many runs, each answered for itself; with `wait`, early when any of them should stop.
    ///
    /// # Errors
    /// As every request; a lost lease is a `problem` within the answer.
    pub async fn heartbeats(
        &self,
        heartbeats: &[Heartbeat],
        wait: Option<Duration>,
    ) -> Result<Vec<HeartbeatAnswer>, Error> {
        let body = Heartbeats { heartbeats, wait: wait.map(Into::into) };
        let answer = self.call(Method::POST, "/leases/heartbeat").held(wait).json(&body)?.send().await?.accepted()?;
        Ok(answer.json::<HeartbeatAnswers>()?.heartbeats)
    }

    /// Finishes a run with success.
    ///
    /// # Errors
    /// 409 `lease-lost`, 413 `too-large`.
    pub async fn complete(&self, lease: &str, result: &ResultBody) -> Result<Job, Error> {
        let call = self.call(Method::POST, &format!("/leases/{}/complete", encode(lease)));
        let (call, name) = match result {
            ResultBody::None => (call, &None),
            ResultBody::Json(json) => (call.json(json)?, &None),
            ResultBody::Bytes { bytes, content_type, filename } => {
                let call = call.header(header::CONTENT_TYPE, content_type)?;
                (call.body(&Body::from(bytes.clone())).await?, filename)
            }
            ResultBody::File { path, content_type, filename } => {
                (call.header(header::CONTENT_TYPE, content_type)?.body(&Body::file(path)).await?, filename)
            }
            ResultBody::OpenFile { file, size, content_type, filename } => {
                let body = Body::open_file(file.clone(), *size);
                (call.header(header::CONTENT_TYPE, content_type)?.body(&body).await?, filename)
            }
        };
        let call = match name {
            Some(name) => call.header(header::CONTENT_DISPOSITION, &disposition(name))?,
            None => call,
        };
        call.send().await?.accepted()?.json()
    }

    /// Finishes a run with failure.
    ///
    /// # Errors
    /// 409 `lease-lost`.
    pub async fn fail(&self, lease: &str, failure: &Failure) -> Result<Job, Error> {
        let call = self.call(Method::POST, &format!("/leases/{}/fail", encode(lease))).json(failure)?;
        call.send().await?.accepted()?.json()
    }

    /// Gives a run back without counting it, not to be run again before `delay`.
    ///
    /// # Errors
    /// 409 `lease-lost`.
    pub async fn release(&self, lease: &str, delay: Option<Duration>) -> Result<(), Error> {
        let body: std::collections::BTreeMap<_, _> = delay.iter().map(|d| ("delay", WireDuration(*d))).collect();
        let call = self.call(Method::POST, &format!("/leases/{}/release", encode(lease))).json(&body)?;
        call.send().await?.accepted().map(drop)
    }

    /// The input's bytes.
    ///
    /// # Errors
    /// 409 `lease-lost`.
    pub async fn input(&self, lease: &str) -> Result<Input, Error> {
        let (response, url) = self.call(Method::GET, &format!("/leases/{}/input", encode(lease))).open().await?;
        if !response.status().is_success() {
            return match super::call::Answer::read(response, url.clone()).await?.accepted() {
                Ok(answer) => Err(Error::Unexpected { url, detail: format!("status {}", answer.status) }),
                Err(error) => Err(error),
            };
        }
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = text(header::CONTENT_TYPE).map(str::to_owned);
        let filename = text(header::CONTENT_DISPOSITION).and_then(filename);
        Ok(Input { content_type, filename, response, url })
    }

    /// Appends to what the run streams to its caller, at `offset` bytes from its start; the same again is not doubled.
    ///
    /// # Errors
    /// 409 `lease-lost`, 413 when the stream is full.
    pub async fn append_stream(&self, lease: &str, offset: u64, body: &Body, content_type: &str) -> Result<(), Error> {
        self.append(lease, "stream", offset, body, content_type).await
    }

    /// Appends to what the run writes for operators, at `offset` bytes from this run's start.
    ///
    /// # Errors
    /// 409 `lease-lost`, 413 when the log is full.
    pub async fn append_log(&self, lease: &str, offset: u64, body: &Body) -> Result<(), Error> {
        self.append(lease, "log", offset, body, "text/plain; charset=utf-8").await
    }

    /// How far the log of this run is kept, and how much more of it is taken.
    ///
    /// # Errors
    /// 409 `lease-lost`.
    pub async fn log_room(&self, lease: &str) -> Result<Appended, Error> {
        let path = format!("/leases/{}/log", encode(lease));
        self.call(Method::POST, &path).send().await?.accepted()?.json()
    }

    async fn append(&self, lease: &str, to: &str, offset: u64, body: &Body, content_type: &str) -> Result<(), Error> {
        let path = format!("/leases/{}/{to}?offset={offset}", encode(lease));
        let call = self.call(Method::POST, &path).header(header::CONTENT_TYPE, content_type)?;
        call.body(body).await?.send().await?.accepted().map(drop)
    }
}

/// `attachment` with this name, twice where it is not plain ASCII (RFC 6266).
fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ' { c } else { '_' }).collect();
    if plain == name {
        format!("attachment; filename=\"{plain}\"")
    } else {
        format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", encode(name))
    }
}
