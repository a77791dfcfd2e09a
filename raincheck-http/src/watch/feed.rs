//! The whole feed, in the form that the caller can take.

use axum::extract::{Request, State as AppState};
use axum::response::Response;
use raincheck_core::Place;
use raincheck_engine::{FeedError, Start};
use raincheck_store::EventFilter;

use super::start::{cursor, last_seen, refused};
use super::{Note, Opened, Source, handshake, poll, sse, ws};
use crate::answer::Wait;
use crate::app::App;
use crate::problem::Problem;
use crate::query::Query;
use crate::readers;
use crate::wire::Form;

/// The events of all jobs from a cursor on: JSON by long poll, `text/event-stream`, or WebSocket on `Upgrade`.
#[utoipa::path(get, path = "/events", tag = "learn",
    params(crate::openapi::WaitParameters, crate::openapi::FeedParameters,
           ("Last-Event-ID" = Option<String>, Header, description = "Where a stream goes on"),
           ("lastEventId" = Option<String>, Query, description = "The same, of clients that cannot set it")),
    responses((status = 200, description = "Events, oldest first", content((crate::openapi::EventPage = "application/json"), (String = "text/event-stream"))),
              (status = 101, description = "WebSocket, subprotocol raincheck.v1"),
              (status = 406, description = "Neither form is acceptable", body = crate::openapi::Problem, content_type = "application/problem+json"),
              (status = 426, description = "Another version of WebSocket", body = crate::openapi::Problem, content_type = "application/problem+json"),
              crate::openapi::ReadProblems))]
pub async fn get(AppState(app): AppState<App>, mut query: Query, request: Request) -> Result<Response, Problem> {
    let headers = request.headers();
    let wait = Wait::of(&app, headers, &mut query)?;
    let from = Begin::of(&app, &mut query).await?;
    let results = query.read("include", "must be result", |text| (text == "result").then_some(()))?.is_some();
    let form = Form::feed(results);
    let filter = filter(&app, &mut query).await?;
    let is_socket = handshake::wanted(headers);
    if !is_socket && !sse::wanted(headers)? {
        query.done()?;
        return poll::feed(&app, from.start(&app)?, filter, form, wait).await;
    }
    let last_seen = last_seen(headers, &mut query);
    query.done()?;
    let opened = open(&app, last_seen.as_deref(), &from, filter, form).await?;
    if is_socket {
        return ws::upgrade(&app, opened, request);
    }
    Ok(match app.stream_slot().filter(|_| !app.engine.is_draining()) {
        Some(slot) => sse::stream(&app, slot, opened),
        None => sse::later(opened.source.place().map(|place| reset(&app, place)).as_ref()),
    })
}

/// Where to begin.
enum Begin {
    /// As it says.
    After(Option<String>),
    /// Where a named reader is, or has come to since it was moved.
    Reader(Place, Option<String>),
}

impl Begin {
    async fn of(app: &App, query: &mut Query) -> Result<Self, Problem> {
        let (after, reader) = (query.take("after"), query.name("reader")?);
        Ok(match reader {
            None => Self::After(after),
            Some(name) => Self::Reader(readers::found(app, &name).await?.place, after),
        })
    }

    fn start(&self, app: &App) -> Result<Start, Problem> {
        match self {
            Self::After(text) => cursor(app, text.as_deref()),
            Self::Reader(place, None) => Ok(Start::Reader(*place)),
            Self::Reader(_, text) => Ok(self.strictly(cursor(app, text.as_deref())?)),
        }
    }

    /// Events wait for a named reader: it is told of any that did not.
    fn strictly(&self, start: Start) -> Start {
        match (self, start) {
            (Self::Reader(..), Start::Behind(place)) => Start::Reader(place),
            (_, start) => start,
        }
    }
}

async fn filter(app: &App, query: &mut Query) -> Result<EventFilter, Problem> {
    let job = match query.read("job", "must be the id of a job", |text| text.parse().ok())? {
        Some(id) => Some(app.job_no(id).await?),
        None => None,
    };
    Ok(EventFilter { queues: query.names("queue")?, kinds: query.names("kind")?, states: query.states()?, job })
}

/// A reconnect whose place is not known goes on from now, and is told so.
async fn open(
    app: &App,
    last_seen: Option<&str>,
    from: &Begin,
    filter: EventFilter,
    form: Form,
) -> Result<Opened, Problem> {
    let start = match last_seen {
        Some(id) => cursor(app, Some(id)).ok().map(|start| from.strictly(start)),
        None => Some(from.start(app)?),
    };
    let watch = match start {
        Some(start) => app.engine.watch_feed(start, filter.clone()).await,
        None => Err(FeedError::Expired),
    };
    let (watch, note) = match watch {
        Ok(watch) => (watch, None),
        Err(FeedError::Store(error)) => return Err(error.into()),
        // A named reader is told of what it has missed, be it that its client never comes again by itself.
        Err(error) if last_seen.is_none() || matches!(from, Begin::Reader(..)) => {
            return Err(refused(error, from.start(app)?));
        }
        Err(_) => {
            let begin = app.engine.watch_feed(Start::Now, filter).await;
            let watch = begin.map_err(|error| refused(error, Start::Now))?;
            let note = reset(app, watch.place(watch.position()));
            (watch, Some(note))
        }
    };
    Ok(Opened { source: Source::Feed(Box::new(watch)), form, note, over: false, line: None })
}

/// Word to a client that goes on from here.
fn reset(app: &App, here: Place) -> Note {
    Note { name: "reset", id: app.engine.encode_cursor(here), data: b"null".to_vec(), seq: 0 }
}
