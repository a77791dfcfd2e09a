//! What a run streams to its caller and logs for operators, taken as it comes.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use raincheck_core::{Append, ChunkKind, LeaseRef, Reply};

use crate::http::answer::json;
use crate::http::ask::Ask;
use crate::http::body;
use crate::http::path::LeasePath;
use crate::http::problem::{self, Problem};
use crate::http::submit::raw::media_type;
use crate::http::wire::Json;

/// Appends to the run's stream.
#[utoipa::path(post, path = "/leases/{lease}/stream", tag = "work",
    request_body(content = Vec<u8>, content_type = "*/*"),
    params(("lease" = String, Path), ("offset" = Option<u64>, Query, description = "Where the bytes start; what is there already is not doubled")),
    responses((status = 200, description = "Kept up to this offset", body = crate::http::openapi::Appended), crate::http::openapi::WorkProblems))]
pub async fn stream(LeasePath(lease): LeasePath, mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let offset = offset(&mut ask)?;
    let content_type = if ask.headers.contains_key(CONTENT_TYPE) {
        media_type(&ask.headers)?.or(Some("application/json".into()))
    } else {
        None
    };
    append(&ask, Target { lease, kind: ChunkKind::Stream, content_type, offset }, body).await
}

/// Appends to the job's log.
#[utoipa::path(post, path = "/leases/{lease}/log", tag = "work",
    request_body(content = Vec<u8>, content_type = "*/*"),
    params(("lease" = String, Path), ("offset" = Option<u64>, Query, description = "Where the bytes start in what this run wrote; what is there already is not doubled")),
    responses((status = 200, description = "Kept up to this offset", body = crate::http::openapi::Appended), crate::http::openapi::WorkProblems))]
pub async fn log(LeasePath(lease): LeasePath, mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let offset = offset(&mut ask)?;
    append(&ask, Target { lease, kind: ChunkKind::Log, content_type: None, offset }, body).await
}

fn offset(ask: &mut Ask) -> Result<Option<u64>, Problem> {
    let offset = ask.query.number("offset")?;
    ask.query.done()?;
    Ok(offset)
}

struct Target {
    lease: LeaseRef,
    kind: ChunkKind,
    content_type: Option<Box<str>>,
    offset: Option<u64>,
}

async fn append(ask: &Ask, mut to: Target, mut body: Body) -> Result<Response, Problem> {
    body::refuse_encoding(&ask.headers)?;
    let mut end = None;
    while let Some(piece) = body::live_piece(&mut body, &ask.engine().draining()).await? {
        let length = piece.len() as u64;
        end = Some(write(ask, &to, piece).await?);
        to.offset = to.offset.map(|offset| offset + length);
    }
    // An empty body asks how far it came, and what more there is room for.
    let (end, room) = match end {
        Some(end) => (end, None),
        None => {
            let end = write(ask, &to, Bytes::new()).await?;
            let all = ask.engine().chunk_info(to.lease.no, to.kind, to.lease.attempt).await?.size;
            (end, Some(limit(ask, &to).saturating_sub(all)))
        }
    };
    let mut out = Json::with_capacity(48);
    out.begin();
    out.key("offset").number(end);
    if let Some(room) = room {
        out.key("room").number(room);
    }
    out.end();
    Ok(json(StatusCode::OK, out))
}

fn limit(ask: &Ask, to: &Target) -> u64 {
    ask.engine().chunk_limit(to.kind, to.lease.attempt)
}

async fn write(ask: &Ask, to: &Target, bytes: Bytes) -> Result<u64, Problem> {
    let append = Append {
        lease: to.lease,
        kind: to.kind,
        offset: to.offset,
        bytes,
        content_type: to.content_type.clone(),
        limit: u64::MAX,
    };
    match ask.engine().append(append).await? {
        Reply::Appended(end) => Ok(end),
        Reply::LeaseLost(_) => Err(ask.lease_lost(to.lease).await?),
        Reply::Full => {
            let what = if to.kind == ChunkKind::Log { "log" } else { "stream" };
            let detail = format!("the {what} is over its limit of {} bytes", limit(ask, to));
            Err(Problem::new(problem::TOO_LARGE).detail(detail))
        }
        Reply::Gone => Err(Problem::new(problem::PURGED)),
        other => {
            tracing::error!(?other, "an odd answer of the store");
            Err(Problem::new(problem::STORE))
        }
    }
}
