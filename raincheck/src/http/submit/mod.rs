//! Submits: slow work in, a handle out.

mod answer;
pub mod batch;
pub mod input;
pub mod key;
pub mod raw;
mod resolve;

use axum::extract::{Request, State as AppState};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::IF_NONE_MATCH;
use http::request::Parts;
use raincheck_core::{Content, JobId, NewJob, Submitted};
use raincheck_engine::SubmitError;

use super::answer::Wait;
use super::base::Base;
use super::path::JobPath;
use super::problem::Problem;
use super::query::Query;
use super::wire::{NewJobBody, Present, read};
use super::{App, body};

/// Submits a job.
#[utoipa::path(post, path = "/jobs", tag = "submit", request_body = NewJobBody,
    params(("Prefer" = Option<String>, Header, description = "`wait=20` waits for the end"),
           ("Idempotency-Key" = Option<String>, Header, description = "The same key and content is the same job")),
    responses((status = 202, description = "Accepted; also a job found under the key, or joined", body = super::openapi::Job),
              (status = 200, description = "It has succeeded already", body = super::openapi::Job),
              super::openapi::SubmitProblems))]
pub async fn post(
    AppState(app): AppState<App>,
    base: Base,
    mut query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    let wait = Wait::of(&app, &headers, &mut query)?;
    query.done()?;
    let text = body::json(&headers, body, app.options.limits.json_body).await?;
    let new = one(&app, &text, &headers, None).await?;
    let asked = answer::Asked { base: &base, wait, chosen: false, only_new: false };
    answer::submit(&app, new, asked).await
}

/// Submits a job under an id that the client chose.
#[utoipa::path(put, path = "/jobs/{id}", tag = "submit", request_body = NewJobBody,
    params(("id" = uuid::Uuid, Path, description = "Any UUID"),
           ("If-None-Match" = Option<String>, Header, description = "`*` refuses when it exists")),
    responses((status = 201, description = "New", body = super::openapi::Job),
              (status = 200, description = "It exists, with the same content", body = super::openapi::Job),
              super::openapi::PutProblems))]
pub async fn put(
    AppState(app): AppState<App>,
    base: Base,
    JobPath(id): JobPath,
    mut query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    let wait = Wait::of(&app, &headers, &mut query)?;
    query.done()?;
    let text = body::json(&headers, body, app.options.limits.json_body).await?;
    let new = one(&app, &text, &headers, Some(id)).await?;
    let only_new = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == b"*");
    let asked = answer::Asked { base: &base, wait, chosen: true, only_new };
    answer::submit(&app, new, asked).await
}

/// One job of a JSON body.
async fn one(app: &App, text: &Bytes, headers: &HeaderMap, id: Option<JobId>) -> Result<NewJob, Problem> {
    let mut body: NewJobBody<'_> = read(text)?;
    body.key = key::merge(key::of(headers)?, body.key.take())?;
    let mut errors = Vec::new();
    let new = resolve::resolve(app, &body, "", &mut errors);
    let Some(mut new) = new.filter(|_| errors.is_empty()) else { return Err(Problem::invalid(errors)) };
    new.id = id;
    new.spec.traceparent = input::traceparent(headers);
    let input = input::json(app, text, body.input).await?;
    resolve::attach(&mut new, &body, input);
    Ok(new)
}

/// Whether the job is one that was there before.
fn replayed(submitted: &Submitted) -> bool {
    matches!(submitted, Submitted::Replayed(_) | Submitted::Existing(_))
}

/// The content of an `input` member that was read from `text`.
pub async fn json_input(app: &App, text: &Bytes, input: Option<Present<'_>>) -> Result<Content, Problem> {
    input::json(app, text, input).await.map(|input| input.content)
}

/// Why a single submit created nothing.
pub fn refused(error: SubmitError) -> Problem {
    answer::refused(error, false)
}
