//! The whole feed, in the form that the caller can take.

use axum::extract::{Request, State as AppState};
use axum::response::Response;
use http::{HeaderMap, header};
use raincheck_core::Cursor;
use raincheck_engine::FeedError;
use raincheck_store::EventFilter;

use super::{Note, Opened, Source, poll, sse, ws};
use crate::http::answer::{self, Wait};
use crate::http::problem::{self, Problem};
use crate::http::query::Query;
use crate::http::wire::Form;
use crate::http::{App, readers};

/// The events of all jobs from a cursor on: JSON by long poll, `text/event-stream`, or WebSocket on `Upgrade`.
#[utoipa::path(get, path = "/events", tag = "learn",
    params(crate::http::openapi::WaitParameters, crate::http::openapi::FeedParameters,
           ("Last-Event-ID" = Option<String>, Header, description = "Where a stream goes on")),
    responses((status = 200, content((crate::http::openapi::EventPage = "application/json"), (String = "text/event-stream"))),
              (status = 101, description = "WebSocket, subprotocol raincheck.v1"),
              (status = 406, description = "Neither form is acceptable", body = crate::http::openapi::Problem, content_type = "application/problem+json"),
              (status = 426, description = "Another version of WebSocket", body = crate::http::openapi::Problem, content_type = "application/problem+json"),
              crate::http::openapi::ReadProblems))]
pub async fn get(AppState(app): AppState<App>, mut query: Query, request: Request) -> Result<Response, Problem> {
    let headers = request.headers();
    let wait = Wait::of(&app, headers, &mut query)?;
    let after = after(&app, &mut query).await?;
    let results = query.read("include", "must be result", |text| (text == "result").then_some(()))?.is_some();
    let form = Form::feed(results);
    let filter = filter(&app, &mut query).await?;
    query.done()?;
    let upgrade = headers.contains_key(header::UPGRADE);
    if !upgrade && !sse::wanted(headers)? {
        return poll::feed(&app, cursor(&app, after.as_deref())?, filter, form, wait).await;
    }
    let opened = open(&app, headers, after.as_deref(), filter, form).await?;
    if upgrade { ws::upgrade(&app, opened, request).await } else { Ok(sse::stream(&app, opened)) }
}

/// Where to begin: as it says, or where a named reader is.
async fn after(app: &App, query: &mut Query) -> Result<Option<String>, Problem> {
    let (after, reader) = (query.take("after"), query.name("reader")?);
    match reader {
        None => Ok(after),
        Some(_) if after.is_some() => Err(Problem::bad("a reader says where to begin: give it, or after, not both")),
        Some(name) => Ok(Some(app.engine.encode_cursor(readers::found(app, &name).await?.cursor))),
    }
}

async fn filter(app: &App, query: &mut Query) -> Result<EventFilter, Problem> {
    let job = match query.read("job", "must be the id of a job", |text| text.parse().ok())? {
        Some(id) => Some(answer::found(app.engine.job(id).await?)?.job.no),
        None => None,
    };
    Ok(EventFilter { queue: query.name("queue")?, kind: query.name("kind")?, states: query.states()?, job })
}

/// `0` is the oldest event that is there; nothing is now.
pub fn cursor(app: &App, text: Option<&str>) -> Result<Option<Cursor>, Problem> {
    match text {
        None => Ok(None),
        Some("0") => Ok(Some(Cursor(0))),
        Some(text) => app.engine.decode_cursor(text).map(Some).ok_or_else(|| Problem::new(problem::INVALID_CURSOR)),
    }
}

/// Why a cursor does not do.
pub fn refused(error: FeedError) -> Problem {
    match error {
        FeedError::Expired => Problem::new(problem::CURSOR_EXPIRED).detail("begin again with after=0"),
        FeedError::Lost => Problem::new(problem::CURSOR_EXPIRED).detail(
            "the data came back without the last events before the cursor: read what is there with GET /jobs, then begin \
             again with after=0",
        ),
        FeedError::Store(error) => error.into(),
    }
}

/// A reconnect whose place is not known goes on from now, and is told so.
async fn open(
    app: &App,
    headers: &HeaderMap,
    after: Option<&str>,
    filter: EventFilter,
    form: Form,
) -> Result<Opened, Problem> {
    let last_seen = headers.get("last-event-id");
    let start = match last_seen {
        Some(id) => id.to_str().map_err(|_| ()).and_then(|id| cursor(app, Some(id.trim())).map_err(|_| ())),
        None => Ok(cursor(app, after)?),
    };
    let watch = match start {
        Ok(start) => app.engine.watch_feed(start, filter.clone()).await,
        Err(()) => Err(FeedError::Expired),
    };
    let (watch, note) = match watch {
        Ok(watch) => (watch, None),
        Err(FeedError::Store(error)) => return Err(error.into()),
        Err(error) if last_seen.is_none() => return Err(refused(error)),
        Err(_) => {
            let watch = app.engine.watch_feed(None, filter).await.map_err(refused)?;
            let id = app.engine.encode_cursor(watch.position());
            (watch, Some(Note { name: "reset", id, data: b"null".to_vec(), seq: 0 }))
        }
    };
    Ok(Opened { source: Source::Feed(Box::new(watch)), form, note, over: false })
}
