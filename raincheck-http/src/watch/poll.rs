//! Events as JSON, by long poll.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use raincheck_core::{Event, JobId};
use raincheck_engine::{Start, Until};
use raincheck_store::{EventFilter, ResultInfo};

use super::start::refused;
use crate::answer::{self, Wait};
use crate::app::App;
use crate::problem::Problem;
use crate::wire::{Form, Json, write_event};

/// Events on a page.
const PAGE: usize = 1_000;
/// The same with results, each of which may be as long as a page of them.
const PAGE_OF_RESULTS: usize = 100;

/// Events of one job above a number; when there are none yet, those that come within the wait.
pub async fn job(app: &App, id: JobId, after: u32, wait: Wait) -> Result<Response, Problem> {
    let mut record = app.job(id).await?;
    if wait.millis() > 0 && record.job.seq <= after {
        let known = Until::ChangedFrom(record.job.seq);
        record = app.job_after(id, known, wait.millis()).await?;
    }
    let _turn = app.room.page().await;
    let events = app.engine.job_events(record.job.no, after, PAGE).await?;
    let next = events.last().map_or(after, |event| event.seq);
    let done = match events.last() {
        Some(event) => event.state.is_final(),
        None => record.job.state.is_final() && after >= record.job.seq,
    };
    let results = app.engine.event_results(&events).await?;
    let weight = weight(&events, &results);
    let out = app.room.work(weight, || {
        let mut out = Json::with_capacity(weight + 64);
        out.begin();
        let items = events.iter().zip(&results);
        out.key("items").list(items, |out, (event, result)| {
            write_event(out, event, &app.engine, app.base_for_all(), Form::JOB, result.as_ref());
        });
        out.key("next_after").number(next);
        out.key("done").bool(done);
        out.end();
        out
    });
    Ok(page(out.await, wait))
}

/// Events of all jobs from a place on; when there are none yet, those that come within the wait.
pub async fn feed(app: &App, start: Start, filter: EventFilter, form: Form, wait: Wait) -> Result<Response, Problem> {
    let refused = |error| refused(error, start);
    let most = if form.result { PAGE_OF_RESULTS } else { PAGE };
    // The watch comes first, so that nothing falls between reading and waiting.
    let mut watch = app.engine.watch_feed(start, filter).await.map_err(refused)?;
    let mut turn = app.room.page().await;
    let mut page_ = watch.page(watch.position(), most).await.map_err(refused)?;
    let mut next = page_.read_to;
    // One that passed over much without finding anything goes on from there the next time.
    if page_.items.is_empty() && page_.at_head && wait.millis() > 0 {
        let longest = Duration::from_millis(wait.millis() as u64);
        // Others read while this waits.
        drop(turn);
        let waited = tokio::time::timeout(longest, watch.next()).await;
        turn = app.room.page().await;
        match waited {
            Ok(Ok(Some(_))) => {
                page_ = watch.page(next, most).await.map_err(refused)?;
                next = page_.read_to;
            }
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(None)) | Err(_) => next = next.max(watch.position()),
        }
    }
    let results = if form.result { app.engine.event_results(&page_.items).await? } else { Vec::new() };
    let weight = weight(&page_.items, &results);
    let (next, form) = (watch.place(next), Form { gaps_below: watch.gaps_below(), ..form });
    let out = app.room.work(weight, || {
        let mut out = Json::with_capacity(weight + 128);
        out.begin();
        let results = results.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        out.key("items").list(page_.items.iter().zip(results), |out, (event, result)| {
            write_event(out, event, &app.engine, app.base_for_all(), form, result);
        });
        out.key("next_after").text(&app.engine.encode_cursor(next));
        out.key("done").bool(false);
        out.key("at_head").bool(page_.at_head);
        out.end();
        out
    });
    let out = out.await;
    drop(turn);
    Ok(page(out, wait))
}

fn weight(events: &[Event], results: &[Option<ResultInfo>]) -> usize {
    let values = results.iter().flatten().filter_map(|result| result.value.as_ref()).map(|value| value.len());
    events.iter().map(Event::weight).chain(values).sum()
}

fn page(out: Json, wait: Wait) -> Response {
    let mut response = answer::json(StatusCode::OK, out);
    response.headers_mut().insert(http::header::VARY, http::HeaderValue::from_static("Accept, Prefer"));
    wait.tell(&mut response);
    response
}
