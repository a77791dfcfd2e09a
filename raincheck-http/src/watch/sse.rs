//! Server-sent events (WHATWG HTML, section 9.2).
//!
//! Always 200 for what exists: an `EventSource` gives up for good on anything else but 204, which ends it.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use raincheck_core::limits::SMALL_ANSWER_BYTES;
use raincheck_core::{Event, EventData, Place};
use raincheck_engine::Engine;
use raincheck_store::{ResultInfo, StoreError};
use tokio::time::{Instant, timeout_at};

use super::line::{self, Line};
use super::pieces::{Frame, pieces};
use super::slots::Slot;
use super::{Note, Opened, Source, envelope, joined};
use crate::app::App;
use crate::problem::{self, Problem};
use crate::server::Shared;
use crate::wire::{Form, Json};
use crate::{failed, negotiate, peer};

/// Something is said at least this often.
const COMMENT_EVERY: Duration = Duration::from_secs(14);
/// Says nothing, but says it. A blank line behind it would end an event without data, which clients show that do not follow the
/// standard in this.
pub const COMMENT: &[u8] = b":\n";
/// When a client comes again after its connection broke, milliseconds.
pub const RETRY: u64 = 2_000;
/// Says in the whole feed where a client goes on, as long as no event does. It has data: without, clients keep no `id`.
const PLACE: &str = "place";

/// Whether the caller would rather have a stream than JSON.
pub fn wanted(headers: &HeaderMap) -> Result<bool, Problem> {
    if headers.contains_key("last-event-id") && !headers.contains_key(header::ACCEPT) {
        return Ok(true);
    }
    let offers = ["application/json", "text/event-stream", "application/problem+json"];
    let best = negotiate::best(headers, &offers).ok_or_else(|| Problem::new(problem::NOT_ACCEPTABLE))?;
    Ok(best == "text/event-stream")
}

/// A stream of events, in a place among those that there may be.
pub fn stream(app: &App, slot: Slot, opened: Opened) -> Response {
    let Opened { source, form, note, over, line } = opened;
    let place = source.place();
    // With the first event in one block, even if that is still to come.
    let mut first = format!("retry: {RETRY}\n").into_bytes();
    match (&note, place) {
        (Some(note), _) => push_note(&mut first, note),
        (None, Some(place)) => push_place(&mut first, &app.engine, place),
        (None, None) => {}
    }
    // The job is in it, which may be as long as an answer.
    let Some(first) = app.room.keep(first.into()) else { return later(None) };
    let app = app.clone();
    let state = Stream {
        app: app.clone(),
        source,
        form,
        first: Some(first),
        over,
        place,
        line,
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

/// Come again, each at another time: 200, for whatever else an `EventSource` gives up for good, and proxies take a 5xx for a sick
/// server. It says where the client goes on then; nothing where that is not known, or is too long to be held for it.
pub fn later(here: Option<&Note>) -> Response {
    let mut body = [COMMENT, format!("retry: {}\n", rand::random_range(RETRY..=5 * RETRY)).as_bytes()].concat();
    if let Some(here) = here.filter(|here| here.data.len() < SMALL_ANSWER_BYTES / 2) {
        push_note(&mut body, here);
    }
    dress(Body::from(body))
}

/// The answer to somebody who asked for a stream: what will pass makes it come again.
pub fn kindly(response: Response) -> Response {
    if response.status().is_server_error() { later(None) } else { response }
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
    /// Where a waiting job is.
    line: Option<Line>,
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
        let next = loop {
            let look = self.line.as_ref().and_then(Line::at).unwrap_or(self.comment);
            match timeout_at(look.min(self.comment), self.source.next()).await {
                Ok(next) => break next,
                Err(_) => match self.sign_of_life().await {
                    Ok(None) => {}
                    Ok(Some(sign)) => return Some(sign.into()),
                    Err(error) => break Err(error),
                },
            }
        };
        let next = match next {
            Ok(Some(event)) => joined(&self.app.engine, self.form, &event).await.map(|result| Some((event, result))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
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
        self.line.iter_mut().for_each(|line| line.heard(&event));
        let (app, form) = (&self.app, self.source.form(self.form));
        if form.behind(&event).is_among_gaps() {
            // Its name is of this stream alone.
            return Some(frame(app, form, &event, result.as_deref()).into());
        }
        let bytes = self.app.frames[form.index()].of(event.cursor, || frame(app, form, &event, result.as_deref()));
        Some(Frame { bytes, event: Some(event.cursor) })
    }

    /// What is said though nothing happened: where the job is by now, where the client goes on, or only that it is heard.
    async fn sign_of_life(&mut self) -> Result<Option<Bytes>, StoreError> {
        let engine = &self.app.engine;
        let is_due = self.comment <= Instant::now();
        let mut sign = Vec::new();
        if let Some(line) = &mut self.line
            && let Some((seq, place)) = line.look(engine).await?
        {
            let mut data = Json::with_capacity(96);
            line::write(&mut data, &place);
            push_frame(&mut sign, Some(line::NAME), Some(&seq.to_string()), &data.into_vec());
        } else if is_due {
            let before = std::mem::replace(&mut self.place, self.source.place());
            match self.place.filter(|_| self.place != before) {
                Some(place) => push_place(&mut sign, engine, place),
                None => sign.extend_from_slice(COMMENT),
            }
        } else {
            return Ok(None);
        }
        self.comment = Instant::now() + COMMENT_EVERY;
        Ok(Some(sign.into()))
    }
}

/// An event as it goes on the wire, with the name under which a client continues after it.
fn frame(app: &Shared, form: Form, event: &Event, result: Option<&ResultInfo>) -> Bytes {
    let id = if form.position { app.engine.encode_cursor(form.behind(event)) } else { event.seq.to_string() };
    let mut frame = Vec::with_capacity(384);
    push_frame(&mut frame, None, Some(&id), &envelope(app, form, event, result));
    frame.into()
}

fn push_place(out: &mut Vec<u8>, engine: &Engine, place: Place) {
    let cursor = engine.encode_cursor(place);
    push_frame(out, Some(PLACE), Some(&cursor), format!("{{\"cursor\":\"{cursor}\"}}").as_bytes());
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

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn who_asks_for_a_stream_sees_no_failure_that_will_pass() {
        for passing in [problem::STORE, problem::OVERLOADED, problem::DRAINING] {
            let answer = kindly(Problem::new(passing).into_response());
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            let text = std::str::from_utf8(&body).unwrap();
            assert!(text.starts_with(":\nretry: ") && text.lines().count() == 2 && !text.contains("\n\n"), "{text:?}");
        }
        assert_eq!(kindly(Problem::new(problem::NOT_FOUND).into_response()).status(), StatusCode::NOT_FOUND);
    }
}
