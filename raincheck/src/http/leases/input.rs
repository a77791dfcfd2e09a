//! The input's bytes for the run that works on them.

use axum::extract::State as AppState;
use axum::response::Response;
use http::{HeaderMap, Method};
use raincheck_core::State;

use super::heartbeat::lost;
use crate::http::base::Base;
use crate::http::path::LeasePath;
use crate::http::problem::{self, Problem};
use crate::http::query::Query;
use crate::http::{App, bytes};

/// The input as its sender typed it.
#[utoipa::path(get, path = "/leases/{lease}/input", tag = "work",
    params(("lease" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, description = "The bytes", content_type = "*/*"), (status = 206, description = "A part of them", content_type = "*/*"),
              (status = 416, description = "The range lies outside", body = crate::http::openapi::Problem, content_type = "application/problem+json"),
              crate::http::openapi::WorkProblems))]
pub async fn get(
    AppState(app): AppState<App>,
    base: Base,
    LeasePath(lease): LeasePath,
    method: Method,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query.done()?;
    let record = app.engine.store().record(lease.no).await?.ok_or_else(|| Problem::new(problem::PURGED))?;
    if record.job.attempt != lease.attempt || record.job.state != State::Running {
        return Err(lost(&app, &base, lease).await?);
    }
    let content = app.engine.input(lease.no).await?.unwrap_or_default();
    // An input never changes, so its job names its bytes.
    let etag = format!("\"{}\"", record.job.id);
    bytes::serve(&method, &headers, &content, Some(&etag), app.engine.store().blobs()).await
}
