//! Changes of one job: cancel, run again, run now, purge.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use raincheck_core::{Job, State};
use raincheck_engine::{CancelAnswer, PurgeAnswer, RerunError, RerunRequest, RunNowAnswer};
use raincheck_store::Unclaimed;

use super::answer;
use super::ask::Ask;
use super::path::JobPath;
use super::precondition;
use super::problem::{self, Problem, Row};
use super::submit::{self, resolve::Input};
use super::wire::{RerunBody, read_or_default};

/// Calls a job off: at once while it waits, by asking its worker while it runs.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "steer",
    params(("id" = uuid::Uuid, Path), ("force" = Option<bool>, Query, description = "Even when other callers share it"),
           super::openapi::JobPrecondition),
    responses((status = 200, description = "Canceled", body = super::openapi::Job),
              (status = 202, description = "Its worker is asked to stop", body = super::openapi::Job),
              super::openapi::ControlProblems))]
pub async fn cancel(JobPath(id): JobPath, mut ask: Ask) -> Result<Response, Problem> {
    let force = ask.query.flag("force")?;
    ask.query.done()?;
    let job = ask.app.job_row(id).await?;
    let seq = precondition::of_job(&ask.headers, &job)?;
    match ask.engine().cancel(job.no, force, seq).await? {
        CancelAnswer::Done(job) => changed(&ask, job).await,
        CancelAnswer::Finished(job) => refused(&ask, &job, problem::JOB_FINISHED).await,
        CancelAnswer::Shared(job) => refused(&ask, &job, problem::JOB_SHARED).await,
        CancelAnswer::Changed => Err(precondition::changed()),
        CancelAnswer::Gone => Err(ask.app.vanished(id).await),
    }
}

/// Makes a job that waits for a time due now.
#[utoipa::path(post, path = "/jobs/{id}/run-now", tag = "steer",
    params(("id" = uuid::Uuid, Path), super::openapi::JobPrecondition),
    responses((status = 202, description = "Due", body = super::openapi::Job), super::openapi::ControlProblems))]
pub async fn run_now(JobPath(id): JobPath, ask: Ask) -> Result<Response, Problem> {
    ask.query.done()?;
    let job = ask.app.job_row(id).await?;
    let seq = precondition::of_job(&ask.headers, &job)?;
    match ask.engine().run_now(job.no, seq).await? {
        RunNowAnswer::Done(job) => changed(&ask, job).await,
        RunNowAnswer::NotWaiting(job) => refused(&ask, &job, problem::JOB_NOT_WAITING).await,
        RunNowAnswer::Changed => Err(precondition::changed()),
        RunNowAnswer::Gone => Err(ask.app.vanished(id).await),
    }
}

/// Forgets a finished job.
#[utoipa::path(delete, path = "/jobs/{id}", tag = "steer",
    params(("id" = uuid::Uuid, Path), super::openapi::JobPrecondition),
    responses((status = 204, description = "Purged"), super::openapi::ControlProblems))]
pub async fn purge(JobPath(id): JobPath, ask: Ask) -> Result<Response, Problem> {
    ask.query.done()?;
    let job = ask.app.job_row(id).await?;
    // A job that is done never changes again, so what holds for it now holds when it goes.
    if precondition::of_job(&ask.headers, &job)?.is_some() && !job.state.is_final() {
        return refused(&ask, &job, problem::JOB_NOT_FINISHED).await;
    }
    match ask.engine().purge(job.no).await? {
        PurgeAnswer::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        PurgeAnswer::NotFinished => refused(&ask, &job, problem::JOB_NOT_FINISHED).await,
        PurgeAnswer::Gone => Err(ask.app.vanished(id).await),
    }
}

/// Runs a finished job again, as a new job that points to it.
#[utoipa::path(post, path = "/jobs/{id}/rerun", tag = "steer", request_body = Option<RerunBody>,
    params(("id" = uuid::Uuid, Path), ("force" = Option<bool>, Query, description = "Even a POST job that has succeeded"),
           ("Idempotency-Key" = Option<String>, Header, description = "The same key, job and input is the same rerun"),
           super::openapi::JobPrecondition),
    responses((status = 202, description = "The new job; also one found under the key", body = super::openapi::Job),
              (status = 200, description = "The job under the key has succeeded already", body = super::openapi::Job),
              super::openapi::ControlProblems, super::openapi::SubmitProblems))]
pub async fn rerun(JobPath(id): JobPath, mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let force = ask.query.flag("force")?;
    let text = ask.json(body).await?;
    let edit: RerunBody<'_> = read_or_default(&text)?;
    let key = submit::key::of(&ask.headers)?.map(Into::into);
    let record = ask.app.job(id).await?;
    // One that is done never changes again, and no other is run again.
    precondition::of_job(&ask.headers, &record.job)?;
    let input = match edit.input {
        Some(_) => {
            let Input { content, sameness, file } = submit::resolve::json_input(&ask.app, &text, edit.input).await?;
            // The engine's from the next line on.
            file.map(Unclaimed::claim);
            Some((content, sameness))
        }
        None => None,
    };
    match ask.engine().rerun(&record, RerunRequest { input, key, force }).await {
        Ok(one) => submit::answer::again(&ask.app, &ask.base, &one).await,
        Err(RerunError::NotFinished) => refused(&ask, &record.job, problem::JOB_NOT_FINISHED).await,
        Err(RerunError::Done) => refused(&ask, &record.job, problem::JOB_DONE).await,
        Err(RerunError::Gone) => Err(ask.app.vanished(id).await),
        Err(RerunError::Lost) => Err(Problem::new(problem::PAYLOAD_LOST).detail("its input is lost: give another one")),
        Err(RerunError::Submit(error)) => Err(submit::refused(error)),
    }
}

async fn changed(ask: &Ask, job: Job) -> Result<Response, Problem> {
    // Whatever became of it since: what the change itself came to.
    let (id, is_done) = (job.id, job.state.is_final());
    let Some(record) = answer::changed(&ask.app, job).await? else { return Err(ask.app.vanished(id).await) };
    if is_done {
        return Ok(answer::job(StatusCode::OK, &ask.view(&record)));
    }
    Ok(answer::accepted(&ask.base, &ask.view(&record)))
}

async fn refused(ask: &Ask, job: &Job, row: &'static Row) -> Result<Response, Problem> {
    let record = ask.app.job(job.id).await?;
    let job = &record.job;
    let detail = match job.state {
        _ if row.slug == problem::JOB_SHARED.slug => format!("{} callers share this job", job.shared),
        State::Succeeded => "the job has succeeded".to_owned(),
        State::Failed => "the job has failed".to_owned(),
        State::Canceled => "the job was canceled".to_owned(),
        state => format!("the job is {}", state.as_str()),
    };
    Err(ask.refusal(row, &record).detail(detail))
}
