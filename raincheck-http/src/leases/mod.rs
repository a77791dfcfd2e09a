//! What workers ask for and report.

pub mod append;
pub mod finish;
pub mod heartbeat;
pub mod input;
mod unsure;
mod write;

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use raincheck_core::{Millis, Name, NameFilter, Pattern, limits, wrong};
use raincheck_engine::{LeaseError, LeaseRequest, WorkerId};

use write::{write_drain, write_leases};

use super::answer::json;
use super::app::App;
use super::ask::Ask;
use super::cut::shorten;
use super::problem::{Problem, Violation};
use super::wire::{AtMost, Duration, Json, LeaseBody, Object, read};
use super::{json_body, peer};

/// Room for one job of the answer.
const JOB_BYTES: usize = 2_048;

/// Hands in what is finished and leases work.
#[utoipa::path(post, path = "/leases", tag = "work", request_body = LeaseBody,
    responses((status = 200, description = "Work, and what became of the finished runs", body = super::openapi::LeaseAnswer),
              (status = 204, description = "Nothing came in time"),
              super::openapi::WorkProblems))]
pub async fn post(ask: Ask, body: Body) -> Result<Response, Problem> {
    ask.query.done()?;
    let app = &ask.app;
    // Many results may ride on one request.
    let text = json_body::read(app, &ask.headers, body, app.options.limits.batch()).await?;
    let asked: LeaseBody<'_> = app.room.work(text.len(), || read(&text)).await?;
    let mut ends = finish::Ends::default();
    let request = request(app, &text, asked, &mut ends).await?;
    // Others find room while this waits.
    drop(text);
    let (finishing, keeps) = (!ends.is_empty(), request.request_id.is_some());
    let again = (request.wait > 0).then(|| request.clone());
    ends.hand_over();
    let answer = tokio::select! {
        answer = app.engine.lease(request) => answer.map_err(refused)?,
        () = peer::half_closed(), if again.is_some() => return Ok(unsure::answer(ask, again)),
    };
    if !keeps {
        peer::handed(answer.leases.iter().map(|leased| leased.job.lease_ref()));
    }
    if answer.leases.is_empty() && !finishing && !answer.drain {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut out = Json::with_capacity(2_048 * answer.leases.len() + 128 * answer.finished.len() + 64);
    out.begin();
    write_leases(&mut out, &ask, &answer.leases);
    out.key("finished");
    ends.write(&mut out, &ask, &answer.finished).await?;
    write_drain(&mut out, answer.drain);
    out.end();
    let mut response = json(StatusCode::OK, out);
    if answer.drain {
        // The next request may reach another server by the same address.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn refused(error: LeaseError) -> Problem {
    match error {
        LeaseError::TooMany => Problem::no_room()
            .detail("too many kinds and patterns are waited for: ask for fewer in one request, or again later"),
        LeaseError::Store(error) => error.into(),
    }
}

async fn request(
    app: &App,
    text: &Bytes,
    asked: LeaseBody<'_>,
    ends: &mut finish::Ends,
) -> Result<LeaseRequest, Problem> {
    let mut errors = Vec::new();
    let (AtMost(queues), AtMost(kinds), AtMost(finish)) = (asked.queues, asked.kinds, asked.finish);
    let queues = names("/queues", &queues, &mut errors);
    let nothing = kinds.is_empty() && queues.is_empty();
    let (kinds, patterns) = kinds_and_patterns(&kinds, &mut errors);
    let trouble = asked.worker.as_ref().and_then(|Object(worker)| worker.trouble.as_deref());
    let trouble = trouble.filter(|trouble| !trouble.is_empty()).map(|trouble| shorten(trouble, limits::TROUBLE_BYTES));
    let is_troubled = trouble.is_some();
    let max = asked.max.unwrap_or(usize::from(!is_troubled));
    if max > 0 && is_troubled {
        errors.push(Violation::new("/max", "must be 0 for a worker that says it can take no jobs"));
    }
    if max > limits::LEASE_JOBS {
        errors.push(Violation::new("/max", "must be at most 1000"));
    }
    if max > 0 && nothing && finish.is_empty() {
        errors.push(Violation::new("/kinds", "must name at least one kind or pattern where no queues are named"));
    }
    if let Some(Object(worker)) = &asked.worker {
        let name = wrong(&worker.name, 1, limits::LABEL_BYTES).map(|detail| Violation::new("/worker/name", detail));
        let version = worker.version.as_deref().and_then(|version| wrong(version, 0, limits::LABEL_BYTES));
        errors.extend(name.into_iter().chain(version.map(|detail| Violation::new("/worker/version", detail))));
    }
    let ttl = ttl("/ttl", asked.ttl, &mut errors).unwrap_or(limits::TTL_MILLIS);
    if asked.request_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > limits::KEY_BYTES) {
        errors.push(Violation::new("/request_id", "must be 1 to 255 bytes long"));
    }
    app.room.work(text.len(), || finish::check(&finish, &mut errors)).await;
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    // What cannot be told must not be done; ends of runs are taken all the same.
    let max = match app.room.for_answer(JOB_BYTES * max) {
        Ok(()) => max,
        Err(no_room) if finish.is_empty() => return Err(no_room),
        Err(_) => 0,
    };
    // Who hands something in learns at once what became of it; who has one of the last connections waits for nothing.
    let wait = asked.wait.filter(|_| finish.is_empty() && !peer::is_kept());
    let wait = wait.map_or(0, |Duration(wait)| wait.min(app.options.limits.wait));
    let worker = asked.worker.map_or_else(
        || WorkerId { name: "unnamed".into(), version: None, trouble: None },
        |Object(worker)| WorkerId { name: worker.name.into(), version: worker.version.map(Into::into), trouble },
    );
    let request_id = asked.request_id.map(Into::into);
    let finish = ends.take(app, text, finish).await?;
    Ok(LeaseRequest { worker, queues, kinds, patterns, max, wait, ttl, request_id, finish })
}

fn kinds_and_patterns(texts: &[Cow<'_, str>], errors: &mut Vec<Violation>) -> (Vec<Name>, Vec<Pattern>) {
    let mut kinds = NameFilter { names: Vec::with_capacity(texts.len()), patterns: Vec::new() };
    for (index, text) in texts.iter().enumerate() {
        if let Err(error) = kinds.add(text) {
            errors.push(Violation::new(format!("/kinds/{index}"), error.to_string()));
        }
    }
    if kinds.patterns.len() > limits::LEASE_PATTERNS {
        errors.push(Violation::new("/kinds", "must not hold more than 100 patterns"));
    }
    (kinds.names, kinds.patterns)
}

fn names(pointer: &str, texts: &[Cow<'_, str>], errors: &mut Vec<Violation>) -> Vec<Name> {
    let mut names = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match Name::new(text) {
            Ok(name) => names.push(name),
            Err(error) => errors.push(Violation::new(format!("{pointer}/{index}"), error.to_string())),
        }
    }
    names
}

/// The length of a lease, which has bounds.
fn ttl(pointer: &str, ttl: Option<Duration>, errors: &mut Vec<Violation>) -> Option<Millis> {
    let millis = ttl.map(|Duration(millis)| millis);
    if millis.is_some_and(|ttl| !(limits::TTL_LEAST_MILLIS..=limits::TTL_MOST_MILLIS).contains(&ttl)) {
        errors.push(Violation::new(pointer, "must be between 2s and 24h"));
    }
    millis
}
