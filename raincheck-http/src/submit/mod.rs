//! Submits: slow work in, a handle out.

pub mod answer;
pub mod batch;
pub mod key;
pub mod raw;
pub mod resolve;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use raincheck_core::{JobId, NewJob};
use raincheck_engine::SubmitError;
use raincheck_store::Unclaimed;

use super::app::App;
use super::ask::Ask;
use super::path::JobPath;
use super::precondition;
use super::problem::{self, Problem};
use super::trace;
use super::wire::{NewJobBody, read};

/// Submits a job.
#[utoipa::path(post, path = "/jobs", tag = "submit", request_body = NewJobBody,
    params(("Prefer" = Option<String>, Header, description = "`wait=20` waits for the end"),
           ("Idempotency-Key" = Option<String>, Header, description = "The same key and content is the same job")),
    responses((status = 202, description = "Accepted; also a job found under the key, or joined", body = super::openapi::Job),
              (status = 200, description = "It has succeeded already", body = super::openapi::Job),
              super::openapi::SubmitProblems))]
pub async fn post(mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let wait = ask.wait()?;
    let text = ask.json(body).await?;
    let (new, file) = one(&ask.app, &text, &ask.headers, None).await?;
    let asked = answer::Asked { base: &ask.base, wait, chosen: false, only_new: false };
    answer::submit(&ask.app, new, file, asked).await
}

/// Submits a job under an id that the client chose.
#[utoipa::path(put, path = "/jobs/{id}", tag = "submit", request_body = NewJobBody,
    params(("id" = uuid::Uuid, Path, description = "Any UUID"),
           ("If-None-Match" = Option<String>, Header, description = "`*` refuses when it exists"),
           super::openapi::JobPrecondition),
    responses((status = 201, description = "New", body = super::openapi::Job),
              (status = 200, description = "It exists, with the same content", body = super::openapi::Job),
              super::openapi::PutProblems))]
pub async fn put(JobPath(id): JobPath, mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let wait = ask.wait()?;
    let only_new = precondition::only_new(&ask.headers)?;
    must_be(&ask, id).await?;
    let text = ask.json(body).await?;
    let (new, file) = one(&ask.app, &text, &ask.headers, Some(id)).await?;
    let asked = answer::Asked { base: &ask.base, wait, chosen: true, only_new };
    answer::submit(&ask.app, new, file, asked).await
}

/// `If-Match` wants a job that is there, and maybe as it was; it is not changed, so it need not stay so.
async fn must_be(ask: &Ask, id: JobId) -> Result<(), Problem> {
    if !precondition::wants_one(&ask.headers)? {
        return Ok(());
    }
    let job = ask.app.job_row(id).await.map_err(|problem| match problem.row().status {
        404 | 410 => Problem::new(problem::PRECONDITION).detail("there is no job of this id"),
        _ => problem,
    })?;
    precondition::of_job(&ask.headers, &job).map(drop)
}

/// One job of a JSON body, and the file of its input.
async fn one(
    app: &App,
    text: &Bytes,
    headers: &HeaderMap,
    id: Option<JobId>,
) -> Result<(NewJob, Option<Unclaimed>), Problem> {
    let mut body: NewJobBody<'_> = app.room.work(text.len(), || read(text)).await?;
    body.key = key::merge(key::of(headers)?, body.key.take())?;
    let mut errors = Vec::new();
    let new = resolve::resolve(app, &body, "", &mut errors);
    let Some(mut new) = new.filter(|_| errors.is_empty()) else { return Err(Problem::invalid(errors)) };
    new.id = id;
    trace::put(&mut new.spec, headers);
    let input = resolve::json_input(app, text, body.input).await?;
    let file = app.room.work(input.size(), || resolve::attach(&mut new, &body, input)).await;
    Ok((new, file))
}

/// Why a single submit created nothing.
pub fn refused(error: SubmitError) -> Problem {
    answer::refused(error, false)
}
