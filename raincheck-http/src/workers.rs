//! Workers: who asked for work lately.

use axum::extract::State as AppState;
use axum::response::Response;
use http::StatusCode;
use raincheck_core::{Name, Pattern};

use super::answer::json;
use super::app::App;
use super::problem::Problem;
use super::query::Query;
use super::wire::Json;

/// The workers seen within ten minutes, by name.
#[utoipa::path(get, path = "/workers", tag = "operate",
    responses((status = 200, description = "Workers, by name", body = super::openapi::Workers), super::openapi::ReadProblems))]
pub async fn list(AppState(app): AppState<App>, query: Query) -> Result<Response, Problem> {
    query.done()?;
    let workers = app.engine.workers();
    let mut out = Json::with_capacity(256 * workers.len() + 32);
    out.begin();
    out.key("items").list(&workers, |out, worker| {
        out.begin();
        out.key("name").text(&worker.name);
        out.key("version").maybe_text(worker.version.as_deref());
        let kinds = worker.kinds.iter().map(Name::as_str).chain(worker.patterns.iter().map(Pattern::as_str));
        out.key("kinds").list(kinds, |out, kind| out.text(kind));
        out.key("queues").list(&*worker.queues, |out, queue| out.text(queue.as_str()));
        out.key("serving").bool(worker.is_taking);
        out.key("trouble").maybe_text(worker.trouble.as_deref());
        out.key("running").number(worker.running as u64);
        out.key("last_seen").time(worker.last_seen);
        out.end();
    });
    out.end();
    Ok(json(StatusCode::OK, out))
}
