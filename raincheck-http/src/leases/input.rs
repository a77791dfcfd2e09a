//! The input's bytes for the run that works on them.

use axum::response::Response;
use http::Method;
use raincheck_core::State;
use raincheck_store::Found;

use crate::ask::Ask;
use crate::bytes;
use crate::path::LeasePath;
use crate::problem::Problem;

/// The input as its sender typed it.
#[utoipa::path(get, path = "/leases/{lease}/input", tag = "work",
    params(("lease" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, description = "The bytes", content_type = "*/*"), (status = 206, description = "A part of them", content_type = "*/*"),
              (status = 416, description = "The range lies outside", body = crate::openapi::Problem, content_type = "application/problem+json"),
              crate::openapi::WorkProblems))]
pub async fn get(method: Method, LeasePath(lease): LeasePath, ask: Ask) -> Result<Response, Problem> {
    ask.query.done()?;
    let engine = ask.engine();
    let record = match engine.job_of(lease.no).await? {
        Found::Here(record) if record.job.state == State::Running && record.job.lease_ref() == lease => record,
        found => return Err(ask.lost(found)),
    };
    let Some(content) = engine.input(lease.no).await? else { return Err(ask.gone(lease).await?) };
    // An input never changes, so its job names its bytes.
    let etag = format!("\"{}\"", record.job.id);
    bytes::serve(&ask.app, &record.job, &method, &ask.headers, &content, Some(&etag)).await
}
