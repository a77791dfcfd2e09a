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
use crate::http::wire::{BatchBody, JobView, Json, Object, read, write_job};
use crate::http::{App, body};

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
    let text = body::json(&headers, body, app.options.limits.batch_body).await?;
    let (new, files) = all(&app, &text, &headers).await?;
    let specs: Vec<_> = new.iter().map(answer::shown).collect();
    // The engine's from the next line on.
    files.into_iter().for_each(|file| drop(file.claim()));
    let submitted = app.engine.submit(new).await.map_err(|error| answer::refused(error, true))?;
    let mut out = Json::with_capacity(1_536 * submitted.len());
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
    let body: BatchBody<'_> = read(text)?;
    if body.jobs.is_empty() || body.jobs.len() > limits::BATCH_JOBS {
        return Err(Problem::invalid(vec![Violation::new("/jobs", "must hold 1 to 1,000 jobs")]));
    }
    let mut errors = Vec::new();
    let mut new = Vec::with_capacity(body.jobs.len());
    for (index, Object(job)) in body.jobs.iter().enumerate() {
        let pointer = format!("/jobs/{index}");
        if let Some(job) = resolve::resolve(app, job, &pointer, &mut errors) {
            new.push(job);
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let traceparent = input::traceparent(headers);
    let mut files = Vec::new();
    for (new, Object(job)) in new.iter_mut().zip(&body.jobs) {
        let input = input::json(app, text, job.input).await?;
        files.extend(resolve::attach(new, job, input));
        new.spec.traceparent.clone_from(&traceparent);
    }
    Ok((new, files))
}
