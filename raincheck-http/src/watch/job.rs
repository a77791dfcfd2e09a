//! The events of one job, in the form that the caller can take.

use axum::extract::{Request, State as AppState};
use axum::response::Response;
use http::{HeaderMap, header};
use raincheck_store::Record;

use super::{Note, Opened, Source, poll, sse, ws};
use crate::answer::Wait;
use crate::app::App;
use crate::base::Base;
use crate::path::JobPath;
use crate::problem::{self, Problem};
use crate::query::Query;
use crate::wire::{Form, JobView, Json, write_job};

/// The events of a job: JSON by long poll, `text/event-stream`, or WebSocket on `Upgrade`.
#[utoipa::path(get, path = "/jobs/{id}/events", tag = "learn",
    params(("id" = uuid::Uuid, Path), crate::openapi::WaitParameters,
           ("after" = Option<u32>, Query, description = "Events above this number"),
           ("Last-Event-ID" = Option<String>, Header, description = "Where a stream goes on")),
    responses((status = 200, description = "Events, oldest first", content((crate::openapi::JobEventPage = "application/json"), (String = "text/event-stream"))),
              (status = 204, description = "A stream that has seen the final event already"),
              (status = 101, description = "WebSocket, subprotocol raincheck.v1"),
              (status = 406, description = "Neither form is acceptable", body = crate::openapi::Problem, content_type = "application/problem+json"),
              (status = 426, description = "Another version of WebSocket", body = crate::openapi::Problem, content_type = "application/problem+json"),
              crate::openapi::ReadProblems))]
pub async fn get(
    AppState(app): AppState<App>,
    base: Base,
    JobPath(id): JobPath,
    mut query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let wait = Wait::of(&app, headers, &mut query)?;
    let after = query.take("after");
    query.done()?;
    let stream = headers.contains_key(header::UPGRADE) || sse::wanted(headers)?;
    if !stream {
        return poll::job(&app, id, number(after.as_deref())?, wait).await;
    }
    let record = app.job(id).await?;
    let opened = open(&app, &base, &record, after.as_deref(), headers)?;
    if headers.contains_key(header::UPGRADE) {
        return ws::upgrade(&app, opened, request).await;
    }
    Ok(sse::stream(&app, opened))
}

fn number(after: Option<&str>) -> Result<u32, Problem> {
    let invalid = || Problem::new(problem::INVALID_CURSOR).detail("after must be the number of an event");
    after.map_or(Ok(0), |text| text.parse().map_err(|_| invalid()))
}

/// A first look gets a snapshot and what follows it; a reconnect what follows the last event seen; a place that is
/// not known a reset. Never silence.
fn open(app: &App, base: &Base, record: &Record, after: Option<&str>, headers: &HeaderMap) -> Result<Opened, Problem> {
    let (seq, done) = (record.job.seq, record.job.state.is_final());
    let last_seen =
        headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.trim().parse::<u32>().ok()));
    let (start, note) = match (last_seen, after) {
        (Some(Some(number)), _) if number <= seq => (number, None),
        (Some(_), _) => (seq, Some("reset")),
        (None, Some(_)) => match number(after)? {
            number if number <= seq => (number, None),
            _ => (seq, Some("reset")),
        },
        (None, None) => (seq, Some("snapshot")),
    };
    let note = note.map(|name| {
        let mut out = Json::with_capacity(1_536);
        write_job(&mut out, &JobView::of(&app.engine, base, record));
        Note { name, id: seq.to_string(), data: out.into_vec(), seq }
    });
    let source = Source::Job(Box::new(app.engine.watch_job(record.job.no, start)));
    Ok(Opened { source, form: Form::JOB, note, over: done && start >= seq })
}
