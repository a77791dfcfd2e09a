//! One job, as it is.

use axum::response::Response;
use http::StatusCode;
use http::header::IF_MATCH;

use super::answer;
use super::app::App;
use super::ask::Ask;
use super::options::tells_failure;
use super::path::JobPath;
use super::problem::Problem;
use super::query::Query;
use super::wire::JobView;
use super::{html, negotiate, precondition};

/// A job: 202 while it goes on, 200 when it has succeeded, a problem when it has failed.
#[utoipa::path(get, path = "/jobs/{id}", tag = "learn",
    params(("id" = uuid::Uuid, Path), super::openapi::WaitParameters,
           super::openapi::IncludeParameters, super::openapi::FailureParameters,
           ("If-None-Match" = Option<String>, Header, description = "304 when nothing changed; with a wait, at the next change")),
    responses((status = 200, description = "Succeeded", body = super::openapi::Job),
              (status = 202, description = "Not done yet", body = super::openapi::Job),
              (status = 304, description = "Not changed"),
              super::openapi::JobProblems))]
pub async fn get(JobPath(id): JobPath, mut ask: Ask) -> Result<Response, Problem> {
    let wait = ask.wait()?;
    let Ask { app, base, query, headers } = &mut ask;
    let with_input = query.read("include", "must be input", |text| (text == "input").then_some(()))?.is_some();
    let failed_status = failed_status(app, query)?;
    query.done()?;
    if negotiate::wants_page(headers) {
        return html::job(app, base, app.job(id).await?).await;
    }
    if headers.contains_key(IF_MATCH) {
        precondition::of_shown(headers, &app.job_row(id).await?)?;
    }
    if wait.millis() == 0
        && let Some(mut same) = answer::unchanged(app, id, headers).await?
    {
        wait.tell(&mut same);
        return Ok(same);
    }
    let record = answer::record(app, id, wait, headers).await?;
    let input = if with_input { app.engine.input(record.job.no).await? } else { None };
    let mut view = JobView::of(&app.engine, &*base, &record);
    if let Some(input) = &input {
        view = view.with_input(input, None);
    }
    let mut response = answer::status(base, &view, headers, failed_status);
    wait.tell(&mut response);
    Ok(response)
}

/// `?on_failure=`, else the setting.
pub fn failed_status(app: &App, query: &mut Query) -> Result<StatusCode, Problem> {
    let read = |text: &str| {
        text.parse().ok().filter(|code| tells_failure(*code)).and_then(|code| StatusCode::from_u16(code).ok())
    };
    let asked = query.read("on_failure", "must be 200 or a status code from 400 to 599", read)?;
    Ok(asked.or(StatusCode::from_u16(app.options.failed_status).ok()).unwrap_or(StatusCode::BAD_REQUEST))
}
