//! The whole feed, in the form that the caller can take.

use axum::extract::{Request, State as AppState};
use axum::response::Response;
use http::{HeaderMap, header};
use raincheck_core::Place;
use raincheck_engine::{FeedError, Start};
use raincheck_store::EventFilter;

use super::start::{cursor, refused};
use super::{Note, Opened, Source, poll, sse, ws};
use crate::answer::Wait;
use crate::app::App;
use crate::problem::Problem;
use crate::query::Query;
use crate::readers;
use crate::wire::Form;

/// The events of all jobs from a cursor on: JSON by long poll, `text/event-stream`, or WebSocket on `Upgrade`.
#[utoipa::path(get, path = "/events", tag = "learn",
    params(crate::openapi::WaitParameters, crate::openapi::FeedParameters,
           ("Last-Event-ID" = Option<String>, Header, description = "Where a stream goes on")),
    responses((status = 200, content((crate::openapi::EventPage = "application/json"), (String = "text/event-stream"))),
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
    query.done()?;
    let upgrade = headers.contains_key(header::UPGRADE);
    if !upgrade && !sse::wanted(headers)? {
        return poll::feed(&app, from.start(&app)?, filter, form, wait).await;
    }
    let opened = open(&app, headers, &from, filter, form).await?;
    if upgrade { ws::upgrade(&app, opened, request).await } else { Ok(sse::stream(&app, opened)) }
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
    headers: &HeaderMap,
    from: &Begin,
    filter: EventFilter,
    form: Form,
) -> Result<Opened, Problem> {
    let last_seen = headers.get("last-event-id");
    let start = match last_seen {
        Some(id) => id.to_str().ok().and_then(|id| cursor(app, Some(id.trim())).ok()).map(|start| from.strictly(start)),
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
            let id = app.engine.encode_cursor(watch.position());
            (watch, Some(Note { name: "reset", id, data: b"null".to_vec(), seq: 0 }))
        }
    };
    Ok(Opened { source: Source::Feed(Box::new(watch)), form, note, over: false })
}
