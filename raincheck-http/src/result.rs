//! What a job's worker made.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use raincheck_core::{Content, Job, Payload, State};

use super::answer;
use super::app::App;
use super::ask::Ask;
use super::path::JobPath;
use super::problem::Problem;
use super::wire::JobView;
use super::{bytes, jobs};

/// The result's bytes as the worker typed them.
#[utoipa::path(get, path = "/jobs/{id}/result", tag = "learn",
    params(("id" = uuid::Uuid, Path), super::openapi::WaitParameters,
           super::openapi::FailureParameters,
           ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header)),
    responses((status = 200, description = "The bytes", content_type = "*/*"),
              (status = 202, description = "Not done yet", body = super::openapi::Job),
              (status = 204, description = "It succeeded without a result"),
              (status = 206, description = "A part of them", content_type = "*/*"),
              (status = 304, description = "Not changed"),
              (status = 416, description = "The range lies outside", body = super::openapi::Problem, content_type = "application/problem+json"),
              super::openapi::JobProblems))]
pub async fn get(method: Method, JobPath(id): JobPath, mut ask: Ask) -> Result<Response, Problem> {
    let wait = ask.wait()?;
    let Ask { app, base, query, headers } = &mut ask;
    let failed_status = jobs::failed_status(app, query)?;
    query.done()?;
    // The validators of this resource are the result's, not the job's.
    let record = answer::record(app, id, wait, &HeaderMap::new()).await?;
    let mut response = if record.job.state == State::Succeeded {
        let content = app.engine.result(record.job.no).await?.unwrap_or_default();
        serve(app, &record.job, &method, headers, &content).await?
    } else {
        answer::status(base, &JobView::of(&app.engine, &*base, &record), &HeaderMap::new(), failed_status)
    };
    wait.tell(&mut response);
    Ok(response)
}

async fn serve(
    app: &App,
    job: &Job,
    method: &Method,
    headers: &HeaderMap,
    content: &Content,
) -> Result<Response, Problem> {
    // An empty file has a type.
    if matches!(content.payload, Payload::Empty) && content.content_type.is_none() {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }
    bytes::serve(app, job, method, headers, content, Some(&etag(content))).await
}

/// The strong `ETag` of these bytes.
fn etag(content: &Content) -> String {
    let hex: String = content.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}
