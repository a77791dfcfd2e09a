//! Many submits at once, all or none.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::State as AppState;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use raincheck_core::{Again, Batch, Job, JobId, NewJob, Spec, Submitted, limits};
use raincheck_engine::Taken;
use raincheck_store::Unclaimed;

use super::{answer, key, resolve};
use crate::answer::json;
use crate::app::App;
use crate::base::Base;
use crate::json_body;
use crate::problem::{self, Problem, Violation};
use crate::query::Query;
use crate::trace;
use crate::wire::{AtMost, BatchBody, JobView, Json, Object, read, write_job};

/// Room for one job of the answer.
const JOB_BYTES: usize = 1_536;

/// Submits up to 1,000 jobs, all or none.
#[utoipa::path(post, path = "/jobs/batch", tag = "submit", request_body = BatchBody,
    responses((status = 202, description = "All accepted, in order; also those of the same `request_id`", body = crate::openapi::Jobs),
              crate::openapi::SubmitProblems))]
pub async fn post(
    AppState(app): AppState<App>,
    base: Base,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    query.done()?;
    if key::of(&headers)?.is_some() {
        return Err(Problem::new(problem::INVALID_KEY)
            .detail("give the batch a `request_id`, or each of its jobs a `key` of its own"));
    }
    let text = json_body::read(&app, &headers, body, app.options.limits.batch()).await?;
    let Asked { request_id, new, files } = all(&app, &text, &headers).await?;
    let specs: Vec<_> = new.iter().map(|new| new.spec.without_input()).collect();
    // The engine's from the next line on.
    files.into_iter().for_each(|file| drop(file.claim()));
    let taken = match request_id {
        Some(id) => app.engine.submit_batch(Batch::new(&id, new)).await,
        None => app.engine.submit(new).await.map(Taken::Now),
    };
    let taken = taken.map_err(|error| answer::refused(error, true))?;
    let mut out = Json::with_capacity(JOB_BYTES * specs.len());
    out.begin();
    // Others than new ones are shown without progress and result: their own resource has them.
    let show = |out: &mut Json, job: &Job, spec| write_job(out, &JobView::new(&app.engine, &base, job, spec));
    let (replayed, coalesced) = match &taken {
        Taken::Now(submitted) => {
            out.key("jobs").list(submitted.iter().zip(&specs), |out, (one, spec)| show(out, one.job(), spec));
            let coalesced = submitted.iter().filter(|one| matches!(one, Submitted::Coalesced(_)));
            (submitted.iter().filter(|one| answer::replayed(one)).count(), coalesced.count())
        }
        Taken::Again(again) => {
            out.key("jobs").list(again.iter().zip(&specs), |out, (one, spec)| match one {
                Again::Here(job) => show(out, job, spec),
                Again::Purged(id) => purged(out, &base, *id),
            });
            (again.len(), 0)
        }
    };
    out.key("replayed").number(replayed);
    out.key("coalesced").number(coalesced);
    out.end();
    let mut response = json(StatusCode::ACCEPTED, out);
    if matches!(taken, Taken::Again(_)) {
        response.headers_mut().insert(answer::REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What is left to say of a job that was purged: behind its handle is 410.
fn purged(out: &mut Json, base: &Base, id: JobId) {
    out.begin();
    out.key("id").text(&id.to_string());
    out.key("done").bool(true);
    out.key("purged").bool(true);
    out.key("links").begin();
    out.key("self").text(&base.url(&format!("/jobs/{id}")));
    out.end();
    out.end();
}

/// What a batch asks for.
struct Asked {
    request_id: Option<String>,
    new: Vec<NewJob>,
    /// Of their inputs.
    files: Vec<Unclaimed>,
}

async fn all(app: &App, text: &Bytes, headers: &HeaderMap) -> Result<Asked, Problem> {
    let (BatchBody { jobs: AtMost(jobs), request_id }, mut new) =
        app.room.work(text.len(), || checked(app, text)).await?;
    app.room.for_answer(JOB_BYTES * new.len())?;
    let mut traced = Spec::default();
    trace::put(&mut traced, headers);
    let mut files = Vec::new();
    for (index, (new, Object(job))) in new.iter_mut().zip(&jobs).enumerate() {
        new.of_batch = request_id.is_some();
        let input =
            resolve::json_input(app, text, job.input).await.map_err(|problem| problem.within(&answer::place(index)))?;
        files.extend(app.room.work(input.size(), || resolve::attach(new, job, input)).await);
        new.spec.traceparent.clone_from(&traced.traceparent);
        new.spec.tracestate.clone_from(&traced.tracestate);
    }
    Ok(Asked { request_id: request_id.map(Cow::into_owned), new, files })
}

/// A body, and what its jobs will be but for their inputs.
fn checked<'a>(app: &App, text: &'a [u8]) -> Result<(BatchBody<'a>, Vec<NewJob>), Problem> {
    let body: BatchBody<'_> = read(text)?;
    let AtMost(jobs) = &body.jobs;
    let mut errors = Vec::new();
    if jobs.is_empty() {
        errors.push(Violation::new("/jobs", "must hold 1 to 1,000 jobs"));
    }
    if let Some(Err(invalid)) = body.request_id.as_deref().map(Batch::check_id) {
        errors.push(Violation::new("/request_id", invalid.detail));
    }
    let mut new = Vec::with_capacity(jobs.len());
    for (index, Object(job)) in jobs.iter().enumerate() {
        if let Some(job) = resolve::resolve(app, job, &answer::place(index), &mut errors) {
            new.push(job);
        }
        // More are not reported.
        if errors.len() >= limits::ERRORS {
            break;
        }
    }
    if errors.is_empty() { Ok((body, new)) } else { Err(Problem::invalid(errors)) }
}
