//! Events as JSON, by long poll.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use raincheck_core::{Cursor, Event, JobId};
use raincheck_engine::Until;
use raincheck_store::EventFilter;

use super::feed::refused;
use crate::http::App;
use crate::http::answer::{self, Wait, found};
use crate::http::problem::Problem;
use crate::http::wire::{Json, write_event};

/// Events on a page.
const PAGE: usize = 1_000;

/// Events of one job above a number; when there are none yet, those that come within the wait.
pub async fn job(app: &App, id: JobId, after: u32, wait: Wait) -> Result<Response, Problem> {
    let mut record = found(app.engine.job(id).await?)?;
    if wait.millis() > 0 && record.job.seq <= after {
        let known = Until::ChangedFrom(record.job.seq);
        record = found(app.engine.wait(id, known, wait.millis()).await?)?;
    }
    let _turn = app.room.page().await;
    let events = app.engine.job_events(record.job.no, after, PAGE).await?;
    let next = events.last().map_or(after, |event| event.seq);
    let done = match events.last() {
        Some(event) => event.state.is_final(),
        None => record.job.state.is_final() && after >= record.job.seq,
    };
    let weight = weight(&events);
    let out = app.room.work(weight, || {
        let mut out = Json::with_capacity(weight + 64);
        out.begin();
        out.key("items").list(&events, |out, event| write_event(out, event, &app.engine));
        out.key("next_after").number(next);
        out.key("done").bool(done);
        out.end();
        out
    });
    Ok(page(out.await, wait))
}

/// Events of all jobs above a cursor; when there are none yet, those that come within the wait.
pub async fn feed(app: &App, after: Option<Cursor>, filter: EventFilter, wait: Wait) -> Result<Response, Problem> {
    // The watch comes first, so that nothing falls between reading and waiting.
    let mut watch = app.engine.watch_feed(after, filter).await.map_err(refused)?;
    let mut turn = app.room.page().await;
    let mut page_ = watch.page(watch.position(), PAGE).await.map_err(refused)?;
    let mut next = page_.read_to;
    // One that passed over much without finding anything goes on from there the next time.
    if page_.items.is_empty() && page_.at_head && wait.millis() > 0 {
        let most = Duration::from_millis(wait.millis() as u64);
        // Others read while this waits.
        drop(turn);
        let waited = tokio::time::timeout(most, watch.next()).await;
        turn = app.room.page().await;
        match waited {
            Ok(Ok(Some(_))) => {
                page_ = watch.page(next, PAGE).await.map_err(refused)?;
                next = page_.read_to;
            }
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(None)) | Err(_) => next = next.max(watch.position()),
        }
    }
    let weight = weight(&page_.items);
    let out = app.room.work(weight, || {
        let mut out = Json::with_capacity(weight + 128);
        out.begin();
        out.key("items").list(&page_.items, |out, event| write_event(out, event, &app.engine));
        out.key("next_after").text(&app.engine.encode_cursor(next));
        out.key("done").bool(false);
        out.end();
        out
    });
    let out = out.await;
    drop(turn);
    Ok(page(out, wait))
}

fn weight(events: &[Event]) -> usize {
    events.iter().map(Event::weight).sum()
}

fn page(out: Json, wait: Wait) -> Response {
    let mut response = answer::json(StatusCode::OK, out);
    response.headers_mut().insert(http::header::VARY, http::HeaderValue::from_static("Accept, Prefer"));
    wait.tell(&mut response);
    response
}
