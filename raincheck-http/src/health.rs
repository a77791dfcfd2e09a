//! Whether the process lives, and whether it is ready for requests.

use axum::extract::State as AppState;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;

use super::app::App;
use super::problem::{self, Problem};

/// The process lives.
#[utoipa::path(get, path = "/livez", tag = "run", responses((status = 200, description = "It does", body = String), super::openapi::ProbeProblems))]
pub async fn live() -> Response {
    plain("ok\n")
}

/// The store takes writes and the server is not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "run",
    responses((status = 200, description = "Ready", body = String), super::openapi::Unready))]
pub async fn ready(AppState(app): AppState<App>) -> Result<Response, Problem> {
    if app.engine.is_draining() {
        return Err(Problem::new(problem::DRAINING).detail(problem::DRAINS).retry_after(2));
    }
    // The store says once that it goes and once that it is back; probes come by the second.
    app.engine.health().map_err(|error| {
        tracing::debug!(%error, "not ready");
        Problem::unavailable(&error)
    })?;
    Ok(plain("ready\n"))
}

fn plain(text: &'static str) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
