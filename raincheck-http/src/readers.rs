//! Named readers of the change feed: where each of them is, and how far behind.

use axum::body::Body;
use axum::extract::State as AppState;
use axum::response::Response;
use http::StatusCode;
use http::header::{ETAG, LOCATION};
use raincheck_core::{Expected, Name};
use raincheck_engine::{Lag, ObjectError, Reader, ReaderError, Start};

use super::answer::json;
use super::app::App;
use super::ask::Ask;
use super::path::NamePath;
use super::precondition;
use super::problem::{self, Problem, Violation};
use super::query::Query;
use super::watch::start;
use super::wire::{Json, ReaderBody, read};

/// Every reader, by name, a page at a time: `next_cursor` is the `cursor` of the next one.
#[utoipa::path(get, path = "/readers", tag = "learn", params(super::openapi::PageParameters),
    responses((status = 200, description = "Readers, by name", body = super::openapi::Readers), super::openapi::ReadProblems))]
pub async fn list(AppState(app): AppState<App>, mut query: Query) -> Result<Response, Problem> {
    let limit = query.page_size()?;
    let after = query.name("cursor")?;
    query.done()?;
    let readers = app.engine.readers(after.as_ref(), limit).await?;
    let lags = app.engine.lags(&readers).await?;
    let next = readers.last().filter(|_| readers.len() == limit).map(|reader| reader.name.as_str());
    let mut out = Json::with_capacity(256 * readers.len() + 64);
    out.begin();
    out.key("items").list(readers.iter().zip(lags), |out, (reader, lag)| write(out, &app, reader, lag));
    out.key("next_cursor").maybe_text(next);
    out.end();
    Ok(json(StatusCode::OK, out))
}

/// One reader.
#[utoipa::path(get, path = "/readers/{name}", tag = "learn", params(("name" = String, Path)),
    responses((status = 200, description = "The reader; its `ETag` is its version", body = super::openapi::Reader), super::openapi::ReadProblems))]
pub async fn get(AppState(app): AppState<App>, NamePath(name): NamePath, query: Query) -> Result<Response, Problem> {
    query.done()?;
    let reader = found(&app, &name).await?;
    show(&app, StatusCode::OK, &reader).await
}

/// Makes a reader, or moves it: to a `cursor` of the feed, to its beginning (`"0"`), else to where the feed is now. With
/// `If-Match` only if nobody else has moved it, with `If-None-Match: *` only if there is none.
#[utoipa::path(put, path = "/readers/{name}", tag = "learn", params(("name" = String, Path), super::openapi::PreconditionParameters),
    request_body = ReaderBody,
    responses((status = 200, description = "The reader, moved", body = super::openapi::Reader),
              (status = 201, description = "The reader, new", body = super::openapi::Reader),
              super::openapi::ObjectProblems))]
pub async fn put(NamePath(name): NamePath, ask: Ask, body: Body) -> Result<Response, Problem> {
    let expected = expected(&ask, &name).await?;
    let place = ask.base.header(&["/readers/", name.as_str()]);
    let text = ask.json(body).await?;
    let asked: ReaderBody = read(&text)?;
    let to = match start::cursor(&ask.app, asked.cursor.as_deref())? {
        Start::Behind(place) => Start::Reader(place),
        to => to,
    };
    let (reader, is_new) = ask.engine().put_reader(name, to, expected).await.map_err(|error| refused(error, to))?;
    if !is_new {
        return show(&ask.app, StatusCode::OK, &reader).await;
    }
    let mut response = show(&ask.app, StatusCode::CREATED, &reader).await?;
    response.headers_mut().insert(LOCATION, place);
    Ok(response)
}

/// Deletes a reader: the feed is not kept for it any more.
#[utoipa::path(delete, path = "/readers/{name}", tag = "learn", params(("name" = String, Path), super::openapi::PreconditionParameters),
    responses((status = 204, description = "It is gone"), super::openapi::ObjectProblems))]
pub async fn delete(NamePath(name): NamePath, ask: Ask) -> Result<Response, Problem> {
    ask.query.done()?;
    let expected = expected(&ask, &name).await?;
    if !ask.engine().delete_reader(name, expected).await? {
        return Err(missing());
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

async fn expected(ask: &Ask, name: &Name) -> Result<Expected, Problem> {
    let there = async || Ok(ask.engine().reader(name).await?.map(|reader| reader.version));
    precondition::expected(&ask.headers, there).await
}

/// The reader of a name.
pub async fn found(app: &App, name: &Name) -> Result<Reader, Problem> {
    app.engine.reader(name).await?.ok_or_else(missing)
}

fn missing() -> Problem {
    Problem::new(problem::NOT_FOUND).detail("no reader has this name; PUT makes it")
}

async fn show(app: &App, status: StatusCode, reader: &Reader) -> Result<Response, Problem> {
    let lag = app.engine.lags(std::slice::from_ref(reader)).await?.pop().unwrap_or_default();
    let mut out = Json::with_capacity(256);
    write(&mut out, app, reader, lag);
    let mut response = json(status, out);
    response.headers_mut().insert(ETAG, precondition::etag(reader.version));
    Ok(response)
}

fn write(out: &mut Json, app: &App, reader: &Reader, lag: Lag) {
    out.begin();
    out.key("name").text(reader.name.as_str());
    out.key("cursor").text(&app.engine.encode_cursor(reader.place));
    out.key("lag_events").number(lag.events);
    out.key("lag_seconds").number(lag.millis.unsigned_abs() / 1_000);
    out.key("expired").bool(lag.is_expired);
    out.key("updated_at").time(reader.updated_at);
    out.end();
}

fn refused(error: ReaderError, to: Start) -> Problem {
    match error {
        ReaderError::Feed(error) => start::refused(error, to),
        ReaderError::Object(error) => error.into(),
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::OtherVersion => Problem::new(problem::PRECONDITION).detail("GET shows it as it is now"),
            ObjectError::TooMany => Problem::invalid(vec![Violation::new(String::new(), error.to_string())]),
            ObjectError::Store(error) => error.into(),
        }
    }
}
