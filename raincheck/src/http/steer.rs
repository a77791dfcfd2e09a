//! Changes of one job: cancel, run again, run now, purge.

use axum::body::Body;
use axum::extract::State as AppState;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use raincheck_core::{Content, Job, Reply};
use raincheck_engine::RerunError;
use raincheck_store::Record;

use super::answer::{self, found};
use super::base::Base;
use super::path::JobPath;
use super::problem::{self, Problem, Row};
use super::query::Query;
use super::submit;
use super::wire::{JobView, Json, RerunBody, read_or_default, write_job_members};
use super::{App, body, jobs};

/// Calls a job off: at once while it waits, by asking its worker while it runs.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "steer",
    params(("id" = uuid::Uuid, Path), ("force" = Option<bool>, Query, description = "Even when other callers share it")),
    responses((status = 200, description = "Canceled", body = super::openapi::Job),
              (status = 202, description = "Its worker is asked to stop", body = super::openapi::Job),
              super::openapi::SteerProblems))]
pub async fn cancel(
    AppState(app): AppState<App>,
    base: Base,
    JobPath(id): JobPath,
    mut query: Query,
) -> Result<Response, Problem> {
    let force = query.flag("force")?;
    query.done()?;
    let record = found(app.engine.job(id).await?)?;
    let reply = app.engine.cancel(record.job.no, force).await?;
    changed(&app, &base, reply).await
}

/// Makes a job that waits for a time due now.
#[utoipa::path(post, path = "/jobs/{id}/run-now", tag = "steer", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, description = "Due", body = super::openapi::Job), super::openapi::SteerProblems))]
pub async fn run_now(
    AppState(app): AppState<App>,
    base: Base,
    JobPath(id): JobPath,
    query: Query,
) -> Result<Response, Problem> {
    query.done()?;
    let record = found(app.engine.job(id).await?)?;
    let reply = app.engine.run_now(record.job.no).await?;
    changed(&app, &base, reply).await
}

/// Forgets a finished job.
#[utoipa::path(delete, path = "/jobs/{id}", tag = "steer", params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Purged"), super::openapi::SteerProblems))]
pub async fn purge(
    AppState(app): AppState<App>,
    base: Base,
    JobPath(id): JobPath,
    query: Query,
) -> Result<Response, Problem> {
    query.done()?;
    let record = found(app.engine.job(id).await?)?;
    match app.engine.purge(record.job.no).await? {
        Reply::Purged(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        other => changed(&app, &base, other).await,
    }
}

/// Runs a finished job again, as a new job that points to it.
#[utoipa::path(post, path = "/jobs/{id}/rerun", tag = "steer", request_body = Option<RerunBody>,
    params(("id" = uuid::Uuid, Path), ("force" = Option<bool>, Query, description = "Even a POST job that has succeeded")),
    responses((status = 202, description = "The new job", body = super::openapi::Job),
              super::openapi::SteerProblems, super::openapi::SubmitProblems))]
pub async fn rerun(
    AppState(app): AppState<App>,
    base: Base,
    JobPath(id): JobPath,
    mut query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let force = query.flag("force")?;
    query.done()?;
    let text = body::json(&headers, body, app.options.limits.json_body).await?;
    let edit: RerunBody<'_> = read_or_default(&text)?;
    let record = found(app.engine.job(id).await?)?;
    let input: Option<Content> = match edit.input {
        Some(_) => Some(submit::json_input(&app, &text, edit.input).await?),
        None => None,
    };
    match app.engine.rerun(&record, input, force).await {
        Ok(job) => {
            let record = found(app.engine.job(job.id).await?)?;
            Ok(answer::accepted(&base, &JobView::of(&app.engine, &base, &record)))
        }
        Err(RerunError::NotFinished) => Err(refuse(&app, &base, problem::JOB_NOT_FINISHED, &record)),
        Err(RerunError::Done) => Err(refuse(&app, &base, problem::JOB_DONE, &record)),
        Err(RerunError::Gone) => Err(Problem::new(problem::PURGED)),
        Err(RerunError::Submit(error)) => Err(submit::refused(error)),
    }
}

async fn changed(app: &App, base: &Base, reply: Reply) -> Result<Response, Problem> {
    let (job, row) = match reply {
        Reply::Job(job) => (job, None),
        Reply::Finished(job) => (job, Some(problem::JOB_FINISHED)),
        Reply::Shared(job) => (job, Some(problem::JOB_SHARED)),
        Reply::NotWaiting(job) => (job, Some(problem::JOB_NOT_WAITING)),
        Reply::NotFinished(job) => (job, Some(problem::JOB_NOT_FINISHED)),
        Reply::Gone => return Err(Problem::new(problem::PURGED)),
        other => {
            tracing::error!(?other, "an odd answer of the store");
            return Err(Problem::new(problem::STORE));
        }
    };
    let record = whole(app, &job).await?;
    match row {
        Some(row) => Err(refuse(app, base, row, &record)),
        None if job.state.is_final() => Ok(jobs::plain(app, base, &record, StatusCode::OK)),
        None => Ok(answer::accepted(base, &JobView::of(&app.engine, base, &record))),
    }
}

/// The job with everything that is shown of it.
pub async fn whole(app: &App, job: &Job) -> Result<Record, Problem> {
    found(app.engine.job(job.id).await?)
}

/// A refusal that shows the job as it is.
pub fn refuse(app: &App, base: &Base, row: &'static Row, record: &Record) -> Problem {
    let mut members = Json::with_capacity(1_024);
    members.begin();
    members.key("job").begin();
    write_job_members(&mut members, &JobView::of(&app.engine, base, record));
    members.end();
    let text = members.into_vec();
    Problem::new(row).members(text[1..].to_vec())
}
