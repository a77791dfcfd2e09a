//! Many submits at once, all or none.

use axum::body::Body;
use axum::extract::State as AppState;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use raincheck_core::{NewJob, Submitted, limits};
use raincheck_store::Unclaimed;

use super::{answer, input, key, resolve};
use crate::http::answer::json;
use crate::http::base::Base;
use crate::http::problem::{self, Problem, Violation};
use crate::http::query::Query;
use crate::http::wire::{AtMost, BatchBody, JobView, Json, NewJobBody, Object, read, write_job};
use crate::http::{App, body};

/// Room for one job of the answer.
const JOB_BYTES: usize = 1_536;

/// Submits up to 1,000 jobs, all or none.
#[utoipa::path(post, path = "/jobs/batch", tag = "submit", request_body = BatchBody,
    responses((status = 202, description = "All accepted, in order", body = crate::http::openapi::Jobs),
              crate::http::openapi::SubmitProblems))]
pub async fn post(
    AppState(app): AppState<App>,
    base: Base,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    query.done()?;
    if key::of(&headers)?.is_some() {
        return Err(Problem::new(problem::INVALID_KEY).detail("give each job of a batch a `key` of its own"));
    }
    let text = body::json(&app, &headers, body, app.options.limits.batch()).await?;
    let (new, files) = all(&app, &text, &headers).await?;
    let specs: Vec<_> = new.iter().map(answer::shown).collect();
    // The engine's from the next line on.
    files.into_iter().for_each(|file| drop(file.claim()));
    let submitted = app.engine.submit(new).await.map_err(|error| answer::refused(error, true))?;
    let mut out = Json::with_capacity(JOB_BYTES * submitted.len());
    out.begin();
    out.key("jobs").list(submitted.iter().zip(&specs), |out, (one, spec)| {
        // Others than new ones are shown without progress and result: their own resource has them.
        write_job(out, &JobView::new(&app.engine, &base, one.job(), spec));
    });
    out.key("replayed").number(submitted.iter().filter(|one| super::replayed(one)).count());
    out.key("coalesced").number(submitted.iter().filter(|one| matches!(one, Submitted::Coalesced(_))).count());
    out.end();
    Ok(json(StatusCode::ACCEPTED, out))
}

/// The jobs, and the files of their inputs.
async fn all(app: &App, text: &Bytes, headers: &HeaderMap) -> Result<(Vec<NewJob>, Vec<Unclaimed>), Problem> {
    let (jobs, mut new) = app.room.work(text.len(), || checked(app, text)).await?;
    app.room.for_answer(JOB_BYTES * new.len())?;
    let traceparent = input::traceparent(headers);
    let mut files = Vec::new();
    for (new, Object(job)) in new.iter_mut().zip(&jobs) {
        let input = input::json(app, text, job.input).await?;
        files.extend(app.room.work(input.size(), || resolve::attach(new, job, input)).await);
        new.spec.traceparent.clone_from(&traceparent);
    }
    Ok((new, files))
}

/// A body's jobs, and what they will be but for their inputs.
fn checked<'a>(app: &App, text: &'a [u8]) -> Result<(Vec<Object<NewJobBody<'a>>>, Vec<NewJob>), Problem> {
    let BatchBody { jobs: AtMost(jobs) } = read(text)?;
    if jobs.is_empty() {
        return Err(Problem::invalid(vec![Violation::new("/jobs", "must hold 1 to 1,000 jobs")]));
    }
    let mut errors = Vec::new();
    let mut new = Vec::with_capacity(jobs.len());
    for (index, Object(job)) in jobs.iter().enumerate() {
        let pointer = format!("/jobs/{index}");
        if let Some(job) = resolve::resolve(app, job, &pointer, &mut errors) {
            new.push(job);
        }
        // More are not told.
        if errors.len() >= limits::ERRORS {
            break;
        }
    }
    if errors.is_empty() { Ok((jobs, new)) } else { Err(Problem::invalid(errors)) }
}
