//! Queues: their settings and their kept statistics.

use axum::body::Body;
use axum::extract::State as AppState;
use axum::response::Response;
use http::StatusCode;
use http::header::ETAG;
use raincheck_core::{Name, QueuePatch, State, limits};
use raincheck_store::QueueStats;

use super::answer::json;
use super::app::App;
use super::ask::Ask;
use super::path::NamePath;
use super::precondition;
use super::problem::{self, Problem};
use super::query::Query;
use super::wire::{Json, QueuePatchBody, read};

/// Every queue, by name.
#[utoipa::path(get, path = "/queues", tag = "operate",
    responses((status = 200, description = "All queues, by name", body = super::openapi::Queues), super::openapi::ReadProblems))]
pub async fn list(AppState(app): AppState<App>, query: Query) -> Result<Response, Problem> {
    query.done()?;
    let stats = app.engine.stats().await?;
    let mut out = Json::with_capacity(256 * stats.queues.len() + 32);
    out.begin();
    out.key("items").list(&stats.queues, |out, queue| write(out, &app, queue));
    out.end();
    Ok(json(StatusCode::OK, out))
}

/// One queue.
#[utoipa::path(get, path = "/queues/{name}", tag = "operate", params(("name" = String, Path)),
    responses((status = 200, description = "The queue", body = super::openapi::Queue), super::openapi::ReadProblems))]
pub async fn get(AppState(app): AppState<App>, NamePath(name): NamePath, query: Query) -> Result<Response, Problem> {
    query.done()?;
    show(&app, &name)
}

/// Changes a queue's settings; a queue that is not there yet is made. The limits of one that stands in the configuration
/// file are changed there; it can be paused all the same.
#[utoipa::path(patch, path = "/queues/{name}", tag = "operate",
    params(("name" = String, Path),
           ("If-Match" = Option<String>, Header, description = "The `ETag` of its settings; `*` for any queue that is there")),
    request_body = QueuePatchBody,
    responses((status = 200, description = "The queue; its `ETag` is that of its settings", body = super::openapi::Queue), super::openapi::ChangeProblems))]
pub async fn patch(NamePath(name): NamePath, ask: Ask, body: Body) -> Result<Response, Problem> {
    let there = ask.engine().queue(&name);
    let expected = precondition::of_queue(&ask.headers, there.as_ref().map(|queue| &queue.settings))?;
    let text = ask.json(body).await?;
    let patch: QueuePatchBody = read(&text)?;
    if patch.limits() && ask.engine().defaults().owns_queue(&name) {
        let detail = "the limits of this queue stand in the configuration file; change them there";
        return Err(Problem::new(problem::MANAGED).detail(detail));
    }
    ask.engine().set_queue(name.clone(), QueuePatch { expected, ..patch.into() }).await?;
    show(&ask.app, &name)
}

fn show(app: &App, name: &Name) -> Result<Response, Problem> {
    let queue = app
        .engine
        .queue(name)
        .ok_or_else(|| Problem::new(problem::NOT_FOUND).detail("no queue has this name; one is made on first use"))?;
    let mut out = Json::with_capacity(384);
    write(&mut out, app, &queue);
    let mut response = json(StatusCode::OK, out);
    response.headers_mut().insert(ETAG, precondition::queue_etag(&queue.settings));
    Ok(response)
}

fn write(out: &mut Json, app: &App, queue: &QueueStats) {
    out.begin();
    out.key("name").maybe_text(queue.name.as_ref().map(Name::as_str));
    out.key("paused").bool(queue.settings.paused);
    out.key("max_queued").number(queue.settings.max_queued.unwrap_or(limits::QUEUED_PER_QUEUE));
    out.key("concurrency").maybe_number(queue.settings.concurrency);
    for state in State::ALL {
        out.key(state.as_str()).number(queue.by_state[state as usize]);
    }
    let rate = queue.name.as_ref().and_then(|name| app.engine.drain_rate(name));
    out.key("drain_rate").maybe_float(rate);
    out.end();
}
