//! How a job is answered: one place for the status, the headers and the body that go with its state.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header::IF_NONE_MATCH};
use raincheck_core::{Job, JobId, Millis, Spec, State};
use raincheck_engine::{Until, WaitEstimate};
use raincheck_store::Record;
use uuid::Uuid;

use super::app::App;
use super::base::Base;
use super::problem::{self, Problem};
use super::query::Query;
use super::wire::{JobView, Json, write_job, write_job_members};
use super::{negotiate, peer, prefer};

/// Room for a job without its result.
const JOB_BYTES: usize = 1_536;

const VARIES: &str = "Accept, Prefer";

/// Room for the headers of an answer.
const HEADERS: usize = 10;

/// `Preference-Applied`.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How long a caller is ready to wait, within the bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wait(Option<Millis>);

impl Wait {
    /// From `?wait=` or `Prefer: wait=`.
    pub fn of(app: &App, headers: &HeaderMap, query: &mut Query) -> Result<Self, Problem> {
        let asked = query.duration("wait")?.or_else(|| prefer::wait(headers));
        let most = if peer::is_kept() { 0 } else { app.options.limits.wait };
        Ok(Wait(asked.map(|millis| millis.min(most))))
    }

    /// Milliseconds; 0 is not to wait.
    pub fn millis(self) -> Millis {
        self.0.unwrap_or(0)
    }

    /// Tells the caller what was applied.
    pub fn tell(self, response: &mut Response) {
        let Some(millis) = self.0 else { return };
        if let Ok(value) = HeaderValue::try_from(format!("wait={}", millis / 1_000)) {
            response.headers_mut().insert(PREFERENCE_APPLIED, value);
        }
    }
}

/// A job as a change has just left it, for whoever made the change, however short it is kept; nothing where the data has
/// come to have another history since.
pub async fn changed(app: &App, job: Job) -> Result<Option<Box<Record>>, Problem> {
    let record = app.engine.record(job.no).await?;
    if record.is_some() || !app.engine.is_purged(job.no).await? {
        return Ok(record.filter(|record| record.job.id == job.id));
    }
    // What it was asked with is gone already.
    let (spec, input_size) = (Spec::default(), 0);
    Ok(Some(Box::new(Record { job, spec, input_size, progress: None, failure: None, result: None })))
}

/// The job as it is, or as it is after the wait: for its end, or for a change of what the caller has already.
pub async fn record(app: &App, id: JobId, wait: Wait, headers: &HeaderMap) -> Result<Box<Record>, Problem> {
    if wait.millis() == 0 {
        return app.job(id).await;
    }
    let mut until = Until::Done;
    if headers.contains_key(IF_NONE_MATCH) {
        let record = app.job(id).await?;
        if !has_it(headers, record.job.seq) {
            return Ok(record);
        }
        until = Until::ChangedFrom(record.job.seq);
    }
    app.job_after(id, until, wait.millis()).await
}

fn tag(seq: u32) -> String {
    let mut number = itoa::Buffer::new();
    ["W/\"", number.format(seq), "\""].concat()
}

/// Whether the caller has the job as of this number.
fn has_it(headers: &HeaderMap, seq: u32) -> bool {
    headers.contains_key(IF_NONE_MATCH) && negotiate::names_tag(headers, IF_NONE_MATCH, &tag(seq))
}

/// The `ETag` of a job.
pub fn etag(seq: u32) -> HeaderValue {
    let tag = HeaderValue::from_maybe_shared(Bytes::from(tag(seq)));
    tag.unwrap_or_else(|_| HeaderValue::from_static("W/\"0\""))
}

/// A JSON answer that nobody may keep.
pub fn json(status: StatusCode, body: Json) -> Response {
    let mut response = Response::new(Body::from(body.into_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Once for all that follow.
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The job as JSON, with what every answer about it carries.
pub fn job(status: StatusCode, view: &JobView<'_>) -> Response {
    let mut body = Json::with_capacity(JOB_BYTES);
    write_job(&mut body, view);
    let mut response = json(status, body);
    response.headers_mut().insert(header::ETAG, etag(view.job().seq));
    response
}

/// Where the job is.
pub fn location(base: &Base, id: JobId) -> HeaderValue {
    base.header(&["/jobs/", id.0.hyphenated().encode_lower(&mut Uuid::encode_buffer())])
}

/// 202 for a job that is accepted and may be done already, with where to ask and when.
pub fn accepted(base: &Base, view: &JobView<'_>) -> Response {
    let mut response = job(StatusCode::ACCEPTED, view);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location(base, view.job().id));
    if !view.job().state.is_final() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(view.wait_estimate().retry_after_seconds.max(1)));
    }
    response
}

/// The answer to a question about a job: 202, 200, 304, or a problem when it failed.
pub fn status(base: &Base, view: &JobView<'_>, headers: &HeaderMap, failed_status: StatusCode) -> Response {
    let failed = matches!(view.job().state, State::Failed | State::Canceled);
    if let Some(same) = not_modified(view.job(), view.wait_estimate(), headers) {
        return same;
    }
    let mut response = if failed && failed_status.as_u16() >= 300 {
        failure(view, failed_status)
    } else if view.job().state.is_final() {
        let status = if failed { failed_status } else { StatusCode::OK };
        job(status, view)
    } else {
        accepted(base, view)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static(VARIES));
    response
}

/// 304, where the caller has the job as it is: answered from its narrow row alone.
pub async fn unchanged(app: &App, id: JobId, headers: &HeaderMap) -> Result<Option<Response>, Problem> {
    if !headers.contains_key(IF_NONE_MATCH) {
        return Ok(None);
    }
    let job = app.job_row(id).await?;
    Ok(not_modified(&job, &app.engine.wait_estimate(&job), headers))
}

fn not_modified(job: &Job, estimate: &WaitEstimate, headers: &HeaderMap) -> Option<Response> {
    if matches!(job.state, State::Failed | State::Canceled) || !has_it(headers, job.seq) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::ETAG, etag(job.seq));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !job.state.is_final() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(estimate.retry_after_seconds.max(1)));
    }
    headers.insert(header::VARY, HeaderValue::from_static(VARIES));
    Some(response)
}

/// A failed job as a problem, with the job's members beside.
fn failure(view: &JobView<'_>, status: StatusCode) -> Response {
    let mut body = Json::with_capacity(JOB_BYTES);
    body.begin();
    let failure = view.failure();
    let row = failure.map_or(problem::JOB_FAILED, |failure| problem::failure_row(failure.code));
    problem::write_head(&mut body, view.base().for_all(), row, status.as_u16());
    if let Some(detail) = failure.and_then(|failure| failure.detail.as_ref().or(failure.title.as_ref())) {
        body.key("detail").text(detail);
    }
    write_job_members(&mut body, view);
    body.end();
    let mut response = json(status, body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
