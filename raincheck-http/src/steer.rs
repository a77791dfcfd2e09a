//! Changes of one job: cancel, run again, run now, purge.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use raincheck_core::{Content, Job};
use raincheck_engine::{CancelAnswer, PurgeAnswer, RerunError, RunNowAnswer};
use raincheck_store::Unclaimed;

use super::answer::{self, found, vanished};
use super::ask::Ask;
use super::path::JobPath;
use super::precondition;
use super::problem::{self, Problem, Row};
use super::submit;
use super::wire::{RerunBody, read_or_default};

/// Calls a job off: at once while it waits, by asking its worker while it runs.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "steer",
    params(("id" = uuid::Uuid, Path), ("force" = Option<bool>, Query, description = "Even when other callers share it")),
    responses((status = 200, description = "Canceled", body = super::openapi::Job),
              (status = 202, description = "Its worker is asked to stop", body = super::openapi::Job),
              super::openapi::SteerProblems))]
pub async fn cancel(JobPath(id): JobPath, mut ask: Ask) -> Result<Response, Problem> {
    let force = ask.query.flag("force")?;
    ask.query.done()?;
    let record = found(ask.engine().job(id).await?)?;
    match ask.engine().cancel(record.job.no, force).await? {
        CancelAnswer::Done(job) => changed(&ask, job).await,
        CancelAnswer::Finished(job) => refused(&ask, &job, problem::JOB_FINISHED).await,
        CancelAnswer::Shared(job) => refused(&ask, &job, problem::JOB_SHARED).await,
        CancelAnswer::Gone => Err(vanished(&ask.app, id).await),
    }
}

/// Makes a job that waits for a time due now.
#[utoipa::path(post, path = "/jobs/{id}/run-now", tag = "steer", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, description = "Due", body = super::openapi::Job), super::openapi::SteerProblems))]
pub async fn run_now(JobPath(id): JobPath, ask: Ask) -> Result<Response, Problem> {
    ask.query.done()?;
    let record = found(ask.engine().job(id).await?)?;
    match ask.engine().run_now(record.job.no).await? {
        RunNowAnswer::Done(job) => changed(&ask, job).await,
        RunNowAnswer::NotWaiting(job) => refused(&ask, &job, problem::JOB_NOT_WAITING).await,
        RunNowAnswer::Gone => Err(vanished(&ask.app, id).await),
    }
}

/// Forgets a finished job.
#[utoipa::path(delete, path = "/jobs/{id}", tag = "steer", params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Purged"), super::openapi::SteerProblems))]
pub async fn purge(JobPath(id): JobPath, ask: Ask) -> Result<Response, Problem> {
    ask.query.done()?;
    precondition::none(&ask.headers)?;
    let record = found(ask.engine().job(id).await?)?;
    match ask.engine().purge(record.job.no).await? {
        PurgeAnswer::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        PurgeAnswer::NotFinished => refused(&ask, &record.job, problem::JOB_NOT_FINISHED).await,
        PurgeAnswer::Gone => Err(vanished(&ask.app, id).await),
    }
}

/// Runs a finished job again, as a new job that points to it.
#[utoipa::path(post, path = "/jobs/{id}/rerun", tag = "steer", request_body = Option<RerunBody>,
    params(("id" = uuid::Uuid, Path), ("force" = Option<bool>, Query, description = "Even a POST job that has succeeded")),
    responses((status = 202, description = "The new job", body = super::openapi::Job),
              super::openapi::SteerProblems, super::openapi::SubmitProblems))]
pub async fn rerun(JobPath(id): JobPath, mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let force = ask.query.flag("force")?;
    let text = ask.json(body).await?;
    let edit: RerunBody<'_> = read_or_default(&text)?;
    let record = found(ask.engine().job(id).await?)?;
    let input: Option<Content> = match edit.input {
        Some(_) => {
            let (input, file) = submit::json_input(&ask.app, &text, edit.input).await?;
            // The engine's from the next line on.
            file.map(Unclaimed::claim);
            Some(input)
        }
        None => None,
    };
    match ask.engine().rerun(&record, input, force).await {
        Ok(job) => {
            let record = found(ask.engine().job(job.id).await?)?;
            Ok(answer::accepted(&ask.base, &ask.view(&record)))
        }
        Err(RerunError::NotFinished) => Err(ask.refusal(problem::JOB_NOT_FINISHED, &record)),
        Err(RerunError::Done) => Err(ask.refusal(problem::JOB_DONE, &record)),
        Err(RerunError::Gone) => Err(vanished(&ask.app, id).await),
        Err(RerunError::Lost) => Err(Problem::new(problem::PAYLOAD_LOST)),
        Err(RerunError::Submit(error)) => Err(submit::refused(error)),
    }
}

async fn changed(ask: &Ask, job: Job) -> Result<Response, Problem> {
    let id = job.id;
    let Some(record) = answer::changed(&ask.app, job).await? else { return Err(vanished(&ask.app, id).await) };
    if record.job.state.is_final() {
        return Ok(answer::job(StatusCode::OK, &ask.view(&record)));
    }
    Ok(answer::accepted(&ask.base, &ask.view(&record)))
}

async fn refused(ask: &Ask, job: &Job, row: &'static Row) -> Result<Response, Problem> {
    let record = found(ask.engine().job(job.id).await?)?;
    Err(ask.refusal(row, &record))
}
