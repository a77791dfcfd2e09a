//! What a run streams to its caller and logs for operators, taken as it comes.

use axum::body::Body;
use axum::extract::State as AppState;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use raincheck_core::{Append, ChunkKind, LeaseRef, Reply};

use crate::http::answer::json;
use crate::http::base::Base;
use crate::http::path::LeasePath;
use crate::http::problem::{self, Problem};
use crate::http::query::Query;
use crate::http::submit::raw::media_type;
use crate::http::wire::Json;
use crate::http::{App, body, steer};

/// Appends to the run's stream.
#[utoipa::path(post, path = "/leases/{lease}/stream", tag = "work",
    request_body(content = Vec<u8>, content_type = "*/*"),
    params(("lease" = String, Path), ("offset" = Option<u64>, Query, description = "Where the bytes start; what is there already is not doubled")),
    responses((status = 200, description = "Kept up to this offset", body = crate::http::openapi::Appended), crate::http::openapi::WorkProblems))]
pub async fn stream(
    AppState(app): AppState<App>,
    base: Base,
    LeasePath(lease): LeasePath,
    mut query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let offset = query.number("offset")?;
    query.done()?;
    let content_type = if headers.contains_key(CONTENT_TYPE) {
        media_type(&headers)?.or(Some("application/json".into()))
    } else {
        None
    };
    append(&app, &base, Target { lease, kind: ChunkKind::Stream, content_type, offset }, &headers, body).await
}

/// Appends to the job's log.
#[utoipa::path(post, path = "/leases/{lease}/log", tag = "work",
    request_body(content = Vec<u8>, content_type = "*/*"),
    params(("lease" = String, Path), ("offset" = Option<u64>, Query, description = "Where the bytes start in what this run wrote; what is there already is not doubled")),
    responses((status = 200, description = "Kept up to this offset", body = crate::http::openapi::Appended), crate::http::openapi::WorkProblems))]
pub async fn log(
    AppState(app): AppState<App>,
    base: Base,
    LeasePath(lease): LeasePath,
    mut query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let offset = query.number("offset")?;
    query.done()?;
    append(&app, &base, Target { lease, kind: ChunkKind::Log, content_type: None, offset }, &headers, body).await
}

struct Target {
    lease: LeaseRef,
    kind: ChunkKind,
    content_type: Option<Box<str>>,
    offset: Option<u64>,
}

async fn append(
    app: &App,
    base: &Base,
    mut to: Target,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<Response, Problem> {
    body::refuse_encoding(headers)?;
    let mut end = None;
    while let Some(piece) = body::live_piece(&mut body, &app.engine.draining()).await? {
        let length = piece.len() as u64;
        end = Some(write(app, base, &to, piece).await?);
        to.offset = to.offset.map(|offset| offset + length);
    }
    let end = match end {
        Some(end) => end,
        None => app.engine.chunk_info(to.lease.no, to.kind, to.lease.attempt).await?.size,
    };
    let mut out = Json::with_capacity(32);
    out.begin();
    out.key("offset").number(end);
    out.end();
    Ok(json(StatusCode::OK, out))
}

async fn write(app: &App, base: &Base, to: &Target, bytes: Bytes) -> Result<u64, Problem> {
    let append = Append {
        lease: to.lease,
        kind: to.kind,
        offset: to.offset,
        bytes,
        content_type: to.content_type.clone(),
        limit: u64::MAX,
    };
    match app.engine.append(append).await? {
        Reply::Appended(end) => Ok(end),
        Reply::LeaseLost(job) => {
            let record = steer::whole(app, &job).await?;
            Err(steer::refuse(app, base, problem::LEASE_LOST, &record))
        }
        Reply::Full => Err(Problem::new(problem::TOO_LARGE).detail("the stream or log is at its bound")),
        Reply::Gone => Err(Problem::new(problem::PURGED)),
        other => {
            tracing::error!(?other, "an odd answer of the store");
            Err(Problem::new(problem::STORE))
        }
    }
}
