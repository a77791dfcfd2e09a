//! What workers ask for and report.

pub mod append;
pub mod finish;
pub mod heartbeat;
pub mod input;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use raincheck_core::{Millis, Name, limits};
use raincheck_engine::{LeaseError, LeaseRequest, Leased, WorkerId};

use super::answer::json;
use super::ask::Ask;
use super::base::Base;
use super::problem::{self, Problem, Violation};
use super::wire::{Duration, JobView, Json, LeaseBody, Object, cut, read, write_job};
use super::{App, body};

/// Hands in what is finished and leases work.
#[utoipa::path(post, path = "/leases", tag = "work", request_body = LeaseBody,
    responses((status = 200, description = "Work, and what became of the finished runs", body = super::openapi::LeaseAnswer),
              (status = 204, description = "Nothing came in time"),
              super::openapi::WorkProblems))]
pub async fn post(ask: Ask, body: Body) -> Result<Response, Problem> {
    ask.query.done()?;
    let app = &ask.app;
    // Many results may ride on one request.
    let text = body::json(&ask.headers, body, app.options.limits.batch_body).await?;
    let asked: LeaseBody<'_> = read(&text)?;
    let mut ends = finish::Ends::default();
    let request = request(app, &text, asked, &mut ends).await?;
    let finishing = !ends.is_empty();
    ends.hand_over();
    let answer = app.engine.lease(request).await.map_err(|error| match error {
        LeaseError::Draining => Problem::new(problem::DRAINING).retry_after(rand::random_range(1..=3)),
        LeaseError::Store(error) => error.into(),
    })?;
    if answer.leases.is_empty() && !finishing {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut out = Json::with_capacity(2_048 * answer.leases.len() + 128 * answer.finished.len() + 64);
    out.begin();
    out.key("leases").list(&answer.leases, |out, leased| write_lease(out, app, &ask.base, leased));
    out.key("finished");
    ends.write(&mut out, &ask, &answer.finished).await?;
    out.end();
    Ok(json(StatusCode::OK, out))
}

async fn request(
    app: &App,
    text: &Bytes,
    asked: LeaseBody<'_>,
    ends: &mut finish::Ends,
) -> Result<LeaseRequest, Problem> {
    let mut errors = Vec::new();
    let queues = names("/queues", &asked.queues, &mut errors);
    let kinds = names("/kinds", &asked.kinds, &mut errors);
    let max = asked.max.unwrap_or(1);
    if max > limits::LEASE_JOBS {
        errors.push(Violation::new("/max", "must be at most 1000"));
    }
    if max > 0 && kinds.is_empty() && asked.finish.is_empty() {
        errors.push(Violation::new("/kinds", "must name at least one kind"));
    }
    if asked.finish.len() > limits::LEASE_JOBS {
        errors.push(Violation::new("/finish", "must hold at most 1000 ends"));
    }
    let ttl = ttl("/ttl", asked.ttl, &mut errors).unwrap_or(limits::TTL_MILLIS);
    if asked.request_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > limits::KEY_BYTES) {
        errors.push(Violation::new("/request_id", "must be 1 to 255 bytes long"));
    }
    finish::check(&asked.finish, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    // Who hands something in learns at once what became of it.
    let wait = asked.wait.filter(|_| asked.finish.is_empty());
    let wait = wait.map_or(0, |Duration(wait)| wait.min(app.options.limits.wait));
    let worker = asked.worker.map_or_else(
        || WorkerId { name: "unnamed".into(), version: None },
        |Object(worker)| WorkerId {
            name: cut(&worker.name, limits::LABEL_BYTES).into(),
            version: worker.version.map(|version| cut(&version, limits::LABEL_BYTES).into()),
        },
    );
    let request_id = asked.request_id.map(Into::into);
    let finish = ends.take(app, text, asked.finish).await?;
    Ok(LeaseRequest { worker, queues, kinds, max, wait, ttl, request_id, finish })
}

fn names(pointer: &str, texts: &[std::borrow::Cow<'_, str>], errors: &mut Vec<Violation>) -> Vec<Name> {
    if texts.len() > limits::LEASE_NAMES {
        errors.push(Violation::new(pointer, "must hold at most 1000 names"));
        return Vec::new();
    }
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

fn write_lease(out: &mut Json, app: &App, base: &Base, leased: &Leased) {
    out.begin();
    out.key("lease").text(&leased.lease);
    let href = input_href(base, leased);
    let view =
        JobView::new(&app.engine, base, &leased.job, &leased.spec).with_input(&leased.spec.input, href.as_deref());
    write_job(out.key("job"), &view);
    out.key("attempt").number(leased.job.attempt);
    out.key("ttl_seconds").seconds(leased.ttl);
    out.key("heartbeat_seconds").seconds(leased.heartbeat);
    out.key("traceparent").maybe_text(leased.spec.traceparent.as_deref());
    out.end();
}

/// Where the worker gets an input that does not ride along: a large one, or one that is not JSON.
fn input_href(base: &Base, leased: &Leased) -> Option<String> {
    let input = &leased.spec.input;
    let rides = matches!(&input.payload, raincheck_core::Payload::Inline(_)) && input.content_type.is_none();
    (!rides).then(|| base.url(&format!("/leases/{}/input", leased.lease)))
}
