//! One request and its answer: the only place that touches the HTTP library.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::{
    Body, Client,
    body::{Opened, Unread},
    patience::{ANSWER_WITHIN, Patience, Taken},
};
use crate::{Error, api::Problem, error::is_transient};

/// An answer is never larger than this, unless it is streamed; in bytes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// A server that takes no more of a body, or has taken all of it and has to keep it, may be silent for so long.
const SILENT: Duration = Duration::from_secs(300);

/// A request in the making.
pub(super) struct Call<'a> {
    client: &'a Client,
    request: reqwest::RequestBuilder,
    url: String,
    patience: Patience,
    unread: Option<Unread>,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    url: String,
}

impl Client {
    /// A request to `path` (which starts with a slash and is already encoded).
    pub(super) fn call(&self, method: Method, path: &str) -> Call<'_> {
        let url = format!("{}{path}", self.shared.base);
        let mut request = self.shared.http.request(method, &url);
        if let Some(authorization) = &self.shared.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        Call { client: self, request, url, patience: Patience::Within(ANSWER_WITHIN), unread: None }
    }

    /// Any request of the contract that has no method of its own: JSON in, JSON out (`null` for no content).
    ///
    /// # Errors
    /// Every variant of [`Error`] but [`Error::NotDone`] and [`Error::TimedOut`].
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        query: &[(String, String)],
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, Error> {
        let mut call = self.call(method, &with_query(path, query));
        if let Some(body) = body {
            call = call.json(body)?;
        }
        let answer = call.send().await?.accepted()?;
        if answer.body.is_empty() { Ok(serde_json::Value::Null) } else { answer.json() }
    }
}

impl Call<'_> {
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, Error> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::Configuration(format!("`{value}` cannot be the header {name}")))?;
        self.request = self.request.header(name, value);
        Ok(self)
    }

    /// The server may hold the answer for so long, so the answer may take longer by it.
    pub(super) fn held(mut self, wait: Option<Duration>) -> Self {
        self.patience = Patience::Within(ANSWER_WITHIN + wait.unwrap_or_default());
        self
    }

    pub(super) fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Result<Self, Error> {
        let body = serde_json::to_vec(body)?;
        self.request = self.request.header(header::CONTENT_TYPE, "application/json").body(body);
        Ok(self)
    }

    /// A body of any size takes its time, so the answer may, too.
    pub(super) async fn body(mut self, body: &Body) -> Result<Self, Error> {
        let Opened { body, length, unread, patience } = body.open().await?;
        (self.unread, self.patience) = (Some(unread), patience);
        if let Some(length) = length {
            self.request = self.request.header(header::CONTENT_LENGTH, length);
        }
        self.request = self.request.body(body);
        Ok(self)
    }

    /// Sends it and hands out the answer before its body.
    pub(super) async fn open(self) -> Result<(reqwest::Response, String), Error> {
        let sent = self.request.send();
        let answer = match self.patience {
            Patience::Within(within) => timeout(within, sent).await.map_err(|_| Error::TimedOut(within))?,
            Patience::WhileTaken(taken) => while_taken(&taken, sent).await.ok_or(Error::TimedOut(SILENT))?,
            Patience::Endless => sent.await,
        };
        match answer {
            Ok(response) => {
                if !is_transient(response.status().as_u16()) {
                    self.client.shared.outages.heard();
                }
                Ok((response, self.url))
            }
            Err(source) if source.is_builder() => Err(Error::Configuration(format!("`{}`: {source}", self.url))),
            Err(source) => {
                // A body that cannot be read breaks the connection, too.
                let unread = self.unread.and_then(|unread| unread.lock().map_or(None, |mut unread| unread.take()));
                Err(match unread {
                    Some(error) => Error::io("cannot read what is sent", error),
                    None => Error::Unreachable { url: self.client.shared.base.clone(), source },
                })
            }
        }
    }

    /// Sends it and reads the whole answer.
    pub(super) async fn send(self) -> Result<Answer, Error> {
        let (response, url) = self.open().await?;
        Answer::read(response, url).await
    }
}

impl Answer {
    pub(super) async fn read(mut response: reqwest::Response, url: String) -> Result<Self, Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = bytes::BytesMut::new();
        loop {
            match next_chunk(&mut response).await? {
                Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_MAX => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Err(Error::Unexpected { url, detail: "too large".into() }),
                Ok(None) => return Ok(Self { status, headers, body: body.freeze(), url }),
                Err(source) => return Err(Error::Unreachable { url, source }),
            }
        }
    }

    /// Itself when it is a success, else its problem.
    pub(super) fn accepted(self) -> Result<Self, Error> {
        if self.status.is_success() || self.status == StatusCode::NOT_MODIFIED { Ok(self) } else { Err(self.refusal()) }
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Unexpected { url: self.url.clone(), detail: unreadable(&error) })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.parse().ok().map(Duration::from_secs)
    }

    fn refusal(&self) -> Error {
        let mut problem: Problem = self.json().unwrap_or_else(|_| Problem {
            // Something in between answered, in its own words.
            detail: std::str::from_utf8(&self.body).ok().map(|text| text.chars().take(200).collect()),
            ..Problem::default()
        });
        if problem.title.is_none() && problem.kind.is_empty() {
            problem.title = Some(self.status.canonical_reason().unwrap_or("refused").to_owned());
        }
        Error::Problem { status: self.status.as_u16(), problem: Box::new(problem), retry_after: self.retry_after() }
    }
}

/// Why an answer cannot be read: what serde says of types names those of this crate.
fn unreadable(error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    match error.is_data() {
        true => format!("not what this request is answered with, at {place}"),
        false => format!("no JSON, at {place}"),
    }
}

/// What it answers, unless the server falls silent.
async fn while_taken<T>(taken: &Taken, answered: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(answered);
    loop {
        let before = taken.load(Ordering::Relaxed);
        match timeout(SILENT, &mut answered).await {
            Ok(answer) => return Some(answer),
            Err(_) if taken.load(Ordering::Relaxed) == before => return None,
            Err(_) => {}
        }
    }
}

/// The next piece of an answer that has begun, and has no reason to pause.
pub(super) async fn next_chunk(response: &mut reqwest::Response) -> Result<reqwest::Result<Option<Bytes>>, Error> {
    timeout(ANSWER_WITHIN, response.chunk()).await.map_err(|_| Error::TimedOut(ANSWER_WITHIN))
}

/// `path` with a query, encoded.
pub(super) fn with_query(path: &str, query: &[(String, String)]) -> String {
    let mut text = path.to_owned();
    for (position, (name, value)) in query.iter().enumerate() {
        text.push(if position == 0 { '?' } else { '&' });
        text.push_str(&escape(name));
        text.push('=');
        text.push_str(&escape(value));
    }
    text
}

/// `text` as one path segment, whatever it holds.
pub(super) fn encode(text: &str) -> String {
    let encoded = escape(text);
    // A URL parser takes these for "here" and "above", however they are encoded (WHATWG URL, "double-dot URL path
    // segment"), and would ask for another resource. Encoded twice they name nothing, which is the truth.
    if matches!(encoded.as_str(), "." | "..") { encoded.replace('.', "%252E") } else { encoded }
}

/// Percent-encodes everything but unreserved characters.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
