//! Server-sent events (WHATWG HTML, section 9.2).
//!
//! Always 200 for what exists: an `EventSource` gives up for good on anything else but 204, which ends it.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use raincheck_core::{Event, EventData, Place};
use raincheck_engine::Engine;
use raincheck_store::ResultInfo;
use tokio::time::{Instant, timeout_at};

use super::pieces::{Frame, pieces};
use super::slots::Slot;
use super::{Note, Opened, Source, envelope, joined};
use crate::app::App;
use crate::problem::{self, Problem};
use crate::server::Shared;
use crate::wire::Form;
use crate::{failed, negotiate, peer};

/// Something is said at least this often.
const COMMENT_EVERY: Duration = Duration::from_secs(14);
/// Says nothing, but says it.
pub const COMMENT: &[u8] = b":\n\n";
/// When a client comes again after its connection broke, milliseconds.
const RETRY: u64 = 2_000;

/// Whether the caller would rather have a stream than JSON.
pub fn wanted(headers: &HeaderMap) -> Result<bool, Problem> {
    if headers.contains_key("last-event-id") && !headers.contains_key(header::ACCEPT) {
        return Ok(true);
    }
    let offers = ["application/json", "text/event-stream", "application/problem+json"];
    let best = negotiate::best(headers, &offers).ok_or_else(|| Problem::new(problem::NOT_ACCEPTABLE))?;
    Ok(best == "text/event-stream")
}

/// A stream of events, or 204 when the caller has seen all of them.
pub fn stream(app: &App, opened: Opened) -> Response {
    let Opened { source, form, note, over } = opened;
    if over && note.is_none() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let Some(slot) = app.streams.take().filter(|_| !app.engine.is_draining()) else { return later() };
    let place = source.place();
    let mut first = format!("retry: {RETRY}\n").into_bytes();
    first.extend(place.map(|place| bookmark(&app.engine, place)).as_deref().unwrap_or(b"\n"));
    if let Some(note) = &note {
        push_note(&mut first, note);
    }
    // The job is in it, which may be as long as an answer.
    let Some(first) = app.room.keep(first.into()) else { return later() };
    let app = app.clone();
    let state = Stream {
        app: app.clone(),
        source,
        form,
        first: Some(first),
        over,
        place,
        comment: Instant::now() + COMMENT_EVERY,
        _slot: slot,
    };
    let frames = stream::unfold(state, |mut state| async { state.next().await.map(|frame| (frame, state)) });
    let again = move |event| {
        let app = app.clone();
        async move {
            let last = &app.frames[form.index()];
            if let Some(frame) = last.get(event) {
                return Some(frame);
            }
            // Who has read a part of it only comes again, and is told what became of it.
            let event =
                app.engine.event(event).await.ok()?.filter(|event| !matches!(event.data, EventData::Gone(_)))?;
            let result = joined(&app.engine, form, &event).await.ok()?;
            Some(last.of(event.cursor, || frame(&app, form, &event, result.as_deref())))
        }
    };
    let frames = peer::probed(frames, Frame::from(Bytes::from_static(COMMENT)));
    dress(Body::from_stream(pieces(frames, again)))
}

/// Come again, each at another time.
pub fn later() -> Response {
    dress(Body::from(format!("retry: {}\n\n", rand::random_range(RETRY..=5 * RETRY))))
}

/// The headers that let a stream through proxies unbuffered.
pub fn dress(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

struct Stream {
    app: App,
    source: Source,
    form: Form,
    first: Option<Bytes>,
    over: bool,
    /// Where the client would go on.
    place: Option<Place>,
    comment: Instant,
    _slot: Slot,
}

impl Stream {
    async fn next(&mut self) -> Option<Frame> {
        if let Some(first) = self.first.take() {
            return Some(first.into());
        }
        if self.over {
            return None;
        }
        let next = match timeout_at(self.comment, self.source.next()).await {
            Err(_) => {
                self.comment = Instant::now() + COMMENT_EVERY;
                let before = std::mem::replace(&mut self.place, self.source.place());
                let moved = self.place.filter(|_| self.place != before);
                let said = moved.map(|place| bookmark(&self.app.engine, place).into());
                return Some(said.unwrap_or(Bytes::from_static(COMMENT)).into());
            }
            Ok(Ok(Some(event))) => {
                joined(&self.app.engine, self.form, &event).await.map(|result| Some((event, result)))
            }
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(error),
        };
        let (event, result) = match next {
            Ok(next) => next?,
            Err(error) => {
                // The client comes again and goes on where it was.
                failed::say("a stream of events ends early", &error);
                return None;
            }
        };
        self.comment = Instant::now() + COMMENT_EVERY;
        self.over = self.source.ends_with(&event);
        self.place = self.source.place();
        let (app, form) = (&self.app, self.source.form(self.form));
        if form.behind(&event).is_among_gaps() {
            // Its name is of this stream alone.
            return Some(frame(app, form, &event, result.as_deref()).into());
        }
        let bytes = self.app.frames[form.index()].of(event.cursor, || frame(app, form, &event, result.as_deref()));
        Some(Frame { bytes, event: Some(event.cursor) })
    }
}

/// An event as it goes on the wire, with the name under which a client continues after it.
fn frame(app: &Shared, form: Form, event: &Event, result: Option<&ResultInfo>) -> Bytes {
    let id = if form.position { app.engine.encode_cursor(form.behind(event)) } else { event.seq.to_string() };
    let mut frame = Vec::with_capacity(384);
    push_frame(&mut frame, None, Some(&id), &envelope(app, form, event, result));
    frame.into()
}

/// Tells where to go on and nothing else: an `EventSource` keeps it, and dispatches no event without data.
fn bookmark(engine: &Engine, place: Place) -> Vec<u8> {
    format!("id: {}\n\n", engine.encode_cursor(place)).into_bytes()
}

fn push_note(out: &mut Vec<u8>, note: &Note) {
    push_frame(out, Some(note.name), Some(&note.id), &note.data);
}

/// Appends one event. `data` may hold lines, which are sent one by one.
pub fn push_frame(out: &mut Vec<u8>, name: Option<&str>, id: Option<&str>, data: &[u8]) {
    for (field, value) in [("event", name), ("id", id)] {
        if let Some(value) = value {
            out.extend_from_slice(format!("{field}: {value}\n").as_bytes());
        }
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}
