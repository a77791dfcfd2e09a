//! Everything that can go wrong, one row each, as `application/problem+json` (RFC 9457).
//!
//! A row's page under `docs/errors/` is served at `/problems/{slug}`, which is the problem's `type`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use raincheck_core::{FailureCode, limits};
use raincheck_engine::QueueError;
use raincheck_engine::wire::{BaseUrl, Json};
use raincheck_store::StoreError;

use super::cut::cut;
use super::failed;

/// One kind of problem.
#[derive(Debug)]
pub struct Row {
    /// Last segment of its `type`.
    pub slug: &'static str,
    /// Its HTTP status.
    pub status: u16,
    /// One line for people.
    pub title: &'static str,
    /// Its page, Markdown.
    pub page: &'static str,
}

macro_rules! page {
    ($slug:literal) => {
        include_str!(concat!("../../docs/errors/", $slug, ".md"))
    };
}

macro_rules! rows {
    ($($name:ident = Row { slug: $slug:literal, status: $status:literal, title: $title:literal },)*) => {
        $(#[doc = $title]
        pub const $name: &Row = &Row { slug: $slug, status: $status, title: $title, page: page!($slug) };)*
        /// Every row.
        pub const ROWS: &[&Row] = &[$($name),*];
    };
}

rows! {
    INVALID_REQUEST = Row { slug: "invalid-request", status: 400, title: "The request is not understood" },
    INVALID_KEY = Row { slug: "invalid-idempotency-key", status: 400, title: "The idempotency key is not valid" },
    INVALID_CURSOR = Row { slug: "invalid-cursor", status: 400, title: "The cursor is not one of ours" },
    JOB_FAILED = Row { slug: "job-failed", status: 400, title: "The job failed" },
    JOB_CANCELED = Row { slug: "job-canceled", status: 400, title: "The job was canceled" },
    JOB_EXPIRED = Row { slug: "job-expired", status: 400, title: "The job was not started in time" },
    JOB_TIMEOUT = Row { slug: "job-timeout", status: 400, title: "The job took too long" },
    JOB_LOST = Row { slug: "job-lost", status: 400, title: "The job's workers vanished" },
    UNAUTHORIZED = Row { slug: "unauthorized", status: 401, title: "A token is required" },
    FORBIDDEN = Row { slug: "forbidden", status: 403, title: "Not allowed" },
    NOT_FOUND = Row { slug: "not-found", status: 404, title: "There is nothing here" },
    METHOD_NOT_ALLOWED = Row { slug: "method-not-allowed", status: 405, title: "The method is not allowed here" },
    NOT_ACCEPTABLE = Row { slug: "not-acceptable", status: 406, title: "Not available in an acceptable form" },
    REQUEST_TIMEOUT = Row { slug: "request-timeout", status: 408, title: "The request took too long to arrive" },
    JOB_ID_CONFLICT = Row { slug: "job-id-conflict", status: 409, title: "The job id stands for other content" },
    JOB_FINISHED = Row { slug: "job-finished", status: 409, title: "The job is already finished" },
    JOB_DONE = Row { slug: "job-done", status: 409, title: "The job has succeeded and must not run twice" },
    JOB_SHARED = Row { slug: "job-shared", status: 409, title: "Other callers share the job" },
    JOB_NOT_FINISHED = Row { slug: "job-not-finished", status: 409, title: "The job is not finished" },
    JOB_NOT_WAITING = Row { slug: "job-not-waiting", status: 409, title: "The job does not wait for a time" },
    LEASE_LOST = Row { slug: "lease-lost", status: 409, title: "The lease is over" },
    MANAGED = Row { slug: "managed-by-config", status: 409, title: "The configuration file owns this" },
    PURGED = Row { slug: "purged", status: 410, title: "The job was purged" },
    CURSOR_EXPIRED = Row { slug: "cursor-expired", status: 410, title: "Events after the cursor are no longer kept" },
    PAYLOAD_LOST = Row { slug: "payload-lost", status: 410, title: "The bytes are lost" },
    PRECONDITION = Row { slug: "precondition-failed", status: 412, title: "The precondition does not hold" },
    TOO_LARGE = Row { slug: "too-large", status: 413, title: "Too large" },
    UNSUPPORTED = Row { slug: "unsupported-media-type", status: 415, title: "The media type is not supported here" },
    RANGE = Row { slug: "range-not-satisfiable", status: 416, title: "The range lies outside" },
    MISDIRECTED = Row { slug: "misdirected", status: 421, title: "This server does not answer for that host" },
    KEY_REUSED = Row { slug: "idempotency-key-reused", status: 422, title: "The key was used for other content" },
    VALIDATION = Row { slug: "validation", status: 422, title: "The content is not valid" },
    UPGRADE_REQUIRED = Row { slug: "upgrade-required", status: 426, title: "Another protocol version is required" },
    HEADERS = Row { slug: "headers-too-large", status: 431, title: "The request head is too large" },
    NOT_IMPLEMENTED = Row { slug: "not-implemented", status: 501, title: "The transfer coding is not known here" },
    QUEUE_FULL = Row { slug: "queue-full", status: 503, title: "The queue is full" },
    DRAINING = Row { slug: "draining", status: 503, title: "The server is shutting down" },
    OVERLOADED = Row { slug: "overloaded", status: 503, title: "The server has no room for this now" },
    STORE = Row { slug: "store-unavailable", status: 503, title: "The store does not take this now" },
}

/// The row of a failed job.
pub fn failure_row(code: FailureCode) -> &'static Row {
    match code {
        FailureCode::Failed => JOB_FAILED,
        FailureCode::Timeout => JOB_TIMEOUT,
        FailureCode::Lost => JOB_LOST,
        FailureCode::Expired => JOB_EXPIRED,
        FailureCode::Canceled => JOB_CANCELED,
    }
}

/// Why nothing that needs space is taken.
pub const DISK_FULL: &str =
    "the disk is nearly full: send it again later; the operator frees some, or lowers `reserve` in [store]";

/// Why nothing new is begun.
pub const DRAINS: &str =
    "the server is about to stop: send it again later, with the same key; another one takes its place";

/// A cursor that no answer has held.
pub fn not_our_cursor() -> Problem {
    Problem::new(INVALID_CURSOR).detail("the cursor was not made by this server")
}

/// One member that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer to it (RFC 6901).
    pub pointer: String,
    /// What is wrong with it.
    pub detail: Cow<'static, str>,
}

impl Violation {
    /// `detail` is wrong at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        let (mut pointer, mut detail) = (pointer.into(), detail.into());
        // Either may be in the words of the body.
        pointer.truncate(cut(&pointer, limits::DETAIL_BYTES).len());
        if detail.len() > limits::DETAIL_BYTES {
            detail = cut(&detail, limits::DETAIL_BYTES).to_owned().into();
        }
        Violation { pointer, detail }
    }
}

/// An instance of a row.
#[derive(Debug)]
pub struct Problem(Box<Instance>);

#[derive(Debug)]
struct Instance {
    row: &'static Row,
    detail: Option<Cow<'static, str>>,
    errors: Vec<Violation>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Further members, as JSON text between the braces.
    members: Vec<u8>,
    is_untold: bool,
}

/// Marks an answer that must not be given: what it says may not be so, and a broken connection says no more than is known.
#[derive(Clone, Copy, Debug)]
pub struct Untold;

impl Problem {
    /// An instance of `row`.
    pub fn new(row: &'static Row) -> Self {
        let (errors, headers, members) = (Vec::new(), Vec::new(), Vec::new());
        Problem(Box::new(Instance { row, detail: None, errors, headers, members, is_untold: false }))
    }

    /// A bad request, and why.
    pub fn bad(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::new(INVALID_REQUEST).detail(detail)
    }

    /// Content that does not pass.
    pub fn invalid(errors: Vec<Violation>) -> Self {
        Problem::new(VALIDATION).errors(errors)
    }

    /// With what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// There is no room in memory for what was sent or asked for.
    pub fn no_room() -> Self {
        Problem::new(OVERLOADED)
            .detail("too much is in memory for others: send it again in a moment, or in smaller parts")
            .retry_after(rand::random_range(1..=3))
    }

    /// With the members that did not pass, or the first of very many.
    #[must_use]
    pub fn errors(mut self, mut errors: Vec<Violation>) -> Self {
        errors.truncate(limits::ERRORS);
        self.0.errors = errors;
        self
    }

    /// The same about a part of the body, which `pointer` leads to.
    #[must_use]
    pub fn within(mut self, pointer: &str) -> Self {
        for error in &mut self.0.errors {
            error.pointer.insert_str(0, pointer);
        }
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// With the seconds after which to come again; 0 says nothing.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        if seconds == 0 { self } else { self.header(RETRY_AFTER, HeaderValue::from(seconds)) }
    }

    /// With further members: JSON text as between the braces of an object.
    #[must_use]
    pub fn members(mut self, members: Vec<u8>) -> Self {
        self.0.members = members;
        self
    }

    /// Its row.
    pub fn row(&self) -> &'static Row {
        self.0.row
    }

    /// What happened this time.
    pub fn said(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What did not pass.
    pub fn violations(&self) -> &[Violation] {
        &self.0.errors
    }

    /// About how much there is to say, bytes.
    pub fn size(&self) -> usize {
        self.0.members.len() + limits::DETAIL_BYTES
    }

    fn body(&self, base: BaseUrl<'_>) -> Body {
        let mut out = Json::with_capacity(256);
        self.write(&mut out, base);
        Body::from(out.into_bytes())
    }

    /// Writes it as a JSON object, its type below `base`.
    pub fn write(&self, out: &mut Json, base: BaseUrl<'_>) {
        let problem = &*self.0;
        out.begin();
        write_head(out, base, problem.row, problem.row.status);
        if let Some(detail) = &problem.detail {
            out.key("detail").text(detail);
        }
        if !problem.errors.is_empty() {
            out.key("errors").list(&problem.errors, |out, error| {
                out.begin();
                out.key("pointer").text(&error.pointer);
                out.key("detail").text(&error.detail);
                out.end();
            });
        }
        out.members(&problem.members);
        out.end();
    }
}

/// Writes the members that every problem has.
pub fn write_head(out: &mut Json, base: BaseUrl<'_>, row: &Row, status: u16) {
    out.key("type").url(base, &["/problems/", row.slug]);
    out.key("title").text(row.title);
    out.key("status").number(status);
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let mut response = Response::new(self.body(BaseUrl::NONE));
        *response.status_mut() = StatusCode::from_u16(self.0.row.status).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(std::mem::take(&mut self.0.headers));
        // While it drains, the next request may reach another server by the same address; after the others nobody knows where
        // it would begin (RFC 9110 section 15.5.9, RFC 9112 section 6.3).
        if [DRAINING, REQUEST_TIMEOUT, NOT_IMPLEMENTED].iter().any(|row| row.slug == self.0.row.slug) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.0.is_untold {
            response.extensions_mut().insert(Untold);
        }
        response.extensions_mut().insert(Told(Arc::new(self)));
        response
    }
}

/// Marks an answer that tells of a problem, with it.
#[derive(Clone)]
struct Told(Arc<Problem>);

/// The problem that `response` tells of, if it does.
pub fn told(response: &Response) -> Option<&Problem> {
    response.extensions().get::<Told>().map(|Told(problem)| &**problem)
}

/// Where `response` tells of a problem, its type begins with the URL that was set.
pub fn below(base: BaseUrl<'_>, response: Response) -> Response {
    let Some(body) = told(&response).map(|problem| problem.body(base)) else { return response };
    let mut response = response.map(|_| body);
    // The router has counted the body of before.
    response.headers_mut().remove(CONTENT_LENGTH);
    response
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.row.slug, self.0.detail.as_deref().unwrap_or(self.0.row.title))
    }
}

impl std::error::Error for Problem {}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::OtherVersion => Problem::new(PRECONDITION).detail("GET shows its settings as they are now"),
            QueueError::TooMany => Problem::invalid(vec![Violation::new(String::new(), error.to_string())]),
            QueueError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        failed::say("the store failed a request", &error);
        Problem::unavailable(&error)
    }
}

impl Problem {
    /// What the store's failure means to whoever asked; it is for the caller to say why.
    pub fn unavailable(error: &StoreError) -> Self {
        let is_untold = matches!(error, StoreError::Unknown(_));
        let detail = match error {
            StoreError::NoSpace => "no space is left for the data: try again later; the operator frees some",
            _ => "the store does not answer: try again later; the server's log says why",
        };
        let mut problem = Problem::new(STORE).detail(detail).retry_after(5);
        problem.0.is_untold = is_untold;
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_pages_begin_with_a_heading() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..index].iter().all(|other| other.slug != row.slug), "{}", row.slug);
            assert!(row.page.starts_with("# "), "docs/errors/{}.md", row.slug);
            assert!((400..600).contains(&row.status), "{}", row.slug);
        }
    }

    #[test]
    fn failures_are_told_in_the_words_of_the_core() {
        use FailureCode::*;
        for code in [Failed, Timeout, Lost, Expired, Canceled] {
            assert_eq!((failure_row(code).slug, failure_row(code).title), (code.slug(), code.title()));
        }
    }
}
