//! The events of one job, in the form that the caller can take.

use axum::extract::{Request, State as AppState};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use raincheck_store::Record;

use super::line::Line;
use super::start::last_seen;
use super::{Note, Opened, Source, handshake, poll, sse, ws};
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
           ("Last-Event-ID" = Option<String>, Header, description = "Where a stream goes on"),
           ("lastEventId" = Option<String>, Query, description = "The same, of clients that cannot set it")),
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
    let is_socket = handshake::wanted(headers);
    if !is_socket && !sse::wanted(headers)? {
        query.done()?;
        return poll::job(&app, id, number(after.as_deref())?, wait).await;
    }
    let last_seen = last_seen(headers, &mut query);
    query.done()?;
    let record = app.job(id).await?;
    let begin = Begin::of(&record, last_seen.as_deref(), after.as_deref())?;
    if is_socket {
        return ws::upgrade(&app, begin.open(&app, &base, &record), request);
    }
    if record.job.state.is_final() && begin.note.is_none() && begin.seq == record.job.seq {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(match app.stream_slot().filter(|_| !app.engine.is_draining()) {
        Some(slot) => sse::stream(&app, slot, begin.open(&app, &base, &record)),
        None => sse::later(Some(&note(&app, &base, &record, "reset", begin.seq))),
    })
}

fn number(after: Option<&str>) -> Result<u32, Problem> {
    let invalid = || Problem::new(problem::INVALID_CURSOR).detail("after must be the number of an event");
    after.map_or(Ok(0), |text| text.parse().map_err(|_| invalid()))
}

/// Where to begin: behind this number, after a note of this name.
struct Begin {
    seq: u32,
    note: Option<&'static str>,
    /// Who asks for the events from a number on gets these alone.
    is_bare: bool,
}

impl Begin {
    /// A first look gets a snapshot and what follows it; a reconnect what follows the last event seen; a place that is not known
    /// a reset. Never silence.
    fn of(record: &Record, last_seen: Option<&str>, after: Option<&str>) -> Result<Begin, Problem> {
        let (now, is_bare) = (record.job.seq, after.is_some());
        let known = match (last_seen, after) {
            (Some(id), _) => id.parse().ok(),
            (None, Some(_)) => Some(number(after)?),
            (None, None) => return Ok(Begin { seq: now, note: Some("snapshot"), is_bare }),
        };
        Ok(match known.filter(|number| *number <= now) {
            Some(seq) => Begin { seq, note: None, is_bare },
            None => Begin { seq: now, note: Some("reset"), is_bare },
        })
    }

    fn open(&self, app: &App, base: &Base, record: &Record) -> Opened {
        let Begin { seq, note: name, is_bare } = *self;
        Opened {
            source: Source::Job(Box::new(app.engine.watch_job(record.job.no, seq))),
            form: Form::JOB,
            note: name.map(|name| note(app, base, record, name, seq)),
            over: record.job.state.is_final() && seq >= record.job.seq,
            line: (!is_bare).then(|| Line::of(&app.engine, &record.job, seq, name.is_some())),
        }
    }
}

/// The job as it is, behind which a client goes on from number `seq`.
fn note(app: &App, base: &Base, record: &Record, name: &'static str, seq: u32) -> Note {
    let mut out = Json::with_capacity(1_536);
    write_job(&mut out, &JobView::of(&app.engine, base, record));
    Note { name, id: seq.to_string(), data: out.into_vec(), seq }
}
