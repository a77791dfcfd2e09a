//! What runs stream to their caller and log for operators, while they go on and after.

mod place;
pub mod sse;
mod tail;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use raincheck_core::ChunkKind;
use raincheck_store::Record;

use place::{Place, Start};
use tail::Tail;

use super::answer;
use super::app::App;
use super::ask::Ask;
use super::bytes::harmless;
use super::path::JobPath;
use super::problem::{self, Problem};
use super::watch::start::last_seen;

const ATTEMPT: HeaderName = HeaderName::from_static("raincheck-attempt");

/// What a run streams to its caller.
#[utoipa::path(get, path = "/jobs/{id}/stream", tag = "learn",
    params(("id" = uuid::Uuid, Path), ("attempt" = Option<u32>, Query, description = "Another attempt than the latest"),
           super::openapi::TailParameters, ("Last-Event-ID" = Option<String>, Header, description = "`attempt-offset`"),
           ("lastEventId" = Option<String>, Query, description = "The same, of clients that cannot set it")),
    responses((status = 200, description = "The bytes, in the worker's content type", content_type = "*/*"),
              (status = 202, description = "Nothing yet", body = super::openapi::Job),
              (status = 204, description = "Nothing follows"),
              (status = 406, description = "Not text, so no events", body = super::openapi::Problem, content_type = "application/problem+json"),
              (status = 416, description = "The offset lies outside", body = super::openapi::Problem, content_type = "application/problem+json"),
              super::openapi::ReadProblems))]
pub async fn get(method: Method, JobPath(id): JobPath, mut ask: Ask) -> Result<Response, Problem> {
    let attempt = ask.query.number("attempt")?;
    let place = Place { kind: ChunkKind::Stream, attempt, ..Place::of(id, &mut ask.query)? };
    if sse::wanted(&ask.headers) {
        let last_seen = last_seen(&ask.headers, &mut ask.query);
        ask.query.done()?;
        return sse::stream(&ask.app, place, last_seen.as_deref()).await;
    }
    ask.query.done()?;
    serve(&ask, place, &method).await
}

/// What the runs of a job wrote for operators, all attempts.
#[utoipa::path(get, path = "/jobs/{id}/log", tag = "learn",
    params(("id" = uuid::Uuid, Path), super::openapi::TailParameters),
    responses((status = 200, description = "The lines", body = String, content_type = "text/plain"),
              (status = 204, description = "Nothing follows"),
              (status = 416, description = "The offset lies outside", body = super::openapi::Problem, content_type = "application/problem+json"),
              super::openapi::ReadProblems))]
pub async fn log(method: Method, JobPath(id): JobPath, mut ask: Ask) -> Result<Response, Problem> {
    let place = Place::of(id, &mut ask.query)?;
    ask.query.done()?;
    serve(&ask, place, &method).await
}

async fn serve(ask: &Ask, mut place: Place, method: &Method) -> Result<Response, Problem> {
    let app = &ask.app;
    let slot = if place.follow && *method == Method::GET { app.streams.take() } else { None };
    // Over the bound of streams a follower gets what there is, and comes again.
    place.follow = slot.is_some();
    match place.start(app).await? {
        Start::Nothing(record) => Ok(answer::accepted(&ask.base, &ask.view(&record))),
        Start::Over => Ok(StatusCode::NO_CONTENT.into_response()),
        Start::Outside(size) => Err(Problem::new(problem::RANGE).detail(format!("there are {size} bytes"))),
        Start::At { no, attempt, content_type } => {
            let tail = Tail::new(&app.engine, no, &place, attempt).for_who_listens();
            let pieces = stream::unfold((tail, slot), |(mut tail, slot)| async {
                let piece = tail.next().await?;
                Some((Ok::<_, std::convert::Infallible>(piece.bytes), (tail, slot)))
            });
            Ok(dress(Body::from_stream(pieces), place.kind, attempt, content_type.as_deref()))
        }
    }
}

fn dress(body: Body, kind: ChunkKind, attempt: u32, content_type: Option<&str>) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let media = match kind {
        ChunkKind::Log => "text/plain; charset=utf-8",
        ChunkKind::Stream => content_type.unwrap_or("application/octet-stream"),
    };
    let media = HeaderValue::from_str(media).unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, media);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if kind == ChunkKind::Stream {
        headers.insert(ATTEMPT, HeaderValue::from(attempt));
    }
    harmless(headers);
    response
}

/// The last pieces of a job's log, for its page.
pub async fn log_end(app: &App, record: &Record, most: u64) -> Result<Vec<u8>, Problem> {
    let (no, kind) = (record.job.no, ChunkKind::Log);
    let size = app.engine.chunk_info(no, kind, 0).await?.size;
    let chunks = app.engine.chunks(no, kind, 0, size.saturating_sub(most), most as usize).await?;
    Ok(chunks.into_iter().flat_map(|chunk| chunk.bytes).collect())
}
