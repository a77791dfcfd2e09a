//! The pages for people: fetches what they show and serves it under a policy that lets nothing run but our own script.

use axum::body::Body;
use axum::extract::{Path, State as AppState};
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri};
use raincheck_core::{Content, Payload, limits};
use raincheck_store::{Filter, Record};

use super::app::App;
use super::base::Base;
use super::pages::{self, JobPage};
use super::problem::{self, Problem, ROWS};
use super::query::Query;
use super::wire::{JobView, Json, write_job};
use super::{negotiate, stream};

/// Jobs on the start page.
const LATEST: usize = 20;
/// Most of a log that a page shows, bytes.
const LOG_BYTES: u64 = 16 << 10;

/// The start page.
pub async fn start(AppState(app): AppState<App>, base: Base, query: Query) -> Result<Response, Problem> {
    query.done()?;
    let stats = app.engine.stats().await?;
    let latest = app.engine.jobs(Filter::default(), LATEST).await?.items;
    Ok(html(pages::start(&stats, &latest, &base.url(""))))
}

/// The page of one job.
pub async fn job(app: &App, base: &Base, record: Box<Record>) -> Result<Response, Problem> {
    let input = app.engine.input(record.job.no).await?;
    let log = stream::log_end(app, &record, LOG_BYTES).await?;
    let mut json = Json::with_capacity(1_536);
    write_job(&mut json, &JobView::of(&app.engine, base, &record));
    let json = json.into_bytes();
    let page = JobPage {
        record: &record,
        json: &String::from_utf8_lossy(&json),
        input: input.as_ref().and_then(text),
        log: &String::from_utf8_lossy(&log),
        base: &base.url(""),
        estimate: &app.engine.wait_estimate(&record.job),
    };
    let mut response = html(pages::job(&page));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Prefer"));
    Ok(response)
}

/// An input that can be shown.
fn text(input: &Content) -> Option<&str> {
    match &input.payload {
        Payload::Inline(bytes) if bytes.len() <= limits::INLINE_BYTES => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// The page of the API.
pub async fn docs() -> Response {
    html(pages::api())
}

/// What a problem means: for people as a page, for everyone else as it is written.
pub async fn problem(Path(slug): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let row = ROWS.iter().find(|row| row.slug == slug).ok_or_else(|| Problem::new(problem::NOT_FOUND))?;
    let mut response = if negotiate::best(&headers, &["text/markdown", "text/html"]) == Some("text/html") {
        html(pages::problem(row.page))
    } else {
        asset("text/markdown; charset=utf-8", row.page)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// How far below the start page an address lies, where it can be said by a path of moderate length.
pub fn depth(uri: &Uri) -> Option<usize> {
    let depth = uri.path().bytes().filter(|byte| *byte == b'/').count().saturating_sub(1);
    (depth <= pages::DEEPEST).then_some(depth)
}

/// Where an answer tells of a problem, the same as a page.
pub fn refused(response: Response, depth: usize) -> Response {
    let Some(problem) = problem::told(&response) else { return response };
    let mut page = html(pages::refused(problem, depth));
    *page.status_mut() = response.status();
    let headers = page.headers_mut();
    // Not what is said of the body.
    let other = |name: &HeaderName| *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH;
    for (name, value) in response.headers().iter().filter(|(name, _)| other(name)) {
        headers.insert(name, value.clone());
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    *page.extensions_mut() = response.extensions().clone();
    page
}

/// The style of all pages.
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", pages::STYLE)
}

/// The sign of all pages.
pub async fn icon() -> Response {
    asset("image/svg+xml", pages::ICON)
}

/// The script of a job's page.
pub async fn job_script() -> Response {
    asset("text/javascript; charset=utf-8", pages::JOB_SCRIPT)
}

/// The script of the API's page.
pub async fn api_script() -> Response {
    asset("text/javascript; charset=utf-8", pages::API_SCRIPT)
}

fn html(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(pages::CSP));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

fn asset(media: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
