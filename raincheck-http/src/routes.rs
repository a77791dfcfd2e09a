//! The routes, as a table of contents.

use axum::Router;
use axum::routing::{get, post};

use super::app::App;
use super::{
    health, jobs, kinds, leases, list, metrics, openapi, people, queues, readers, result, steer, stream, submit, watch,
    workers,
};

/// All of them.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/jobs", post(submit::post).get(list::get))
        .route("/jobs/batch", post(submit::batch::post))
        .route("/jobs/{id}", get(jobs::get).put(submit::put).delete(steer::purge))
        .route("/jobs/{id}/result", get(result::get))
        .route("/jobs/{id}/stream", get(stream::get))
        .route("/jobs/{id}/log", get(stream::log))
        .route("/jobs/{id}/events", get(watch::job::get))
        .route("/jobs/{id}/cancel", post(steer::cancel))
        .route("/jobs/{id}/rerun", post(steer::rerun))
        .route("/jobs/{id}/run-now", post(steer::run_now))
        .route("/events", get(watch::feed::get))
        .route("/kinds", get(kinds::list))
        .route("/kinds/{kind}", get(kinds::get))
        .route("/kinds/{kind}/jobs", post(submit::raw::post))
        .route("/queues", get(queues::list))
        .route("/queues/{name}", get(queues::get).patch(queues::patch))
        .route("/readers", get(readers::list))
        .route("/readers/{name}", get(readers::get).put(readers::put).delete(readers::delete))
        .route("/workers", get(workers::list))
        .route("/leases", post(leases::post))
        .route("/leases/heartbeat", post(leases::heartbeat::many))
        .route("/leases/{lease}/heartbeat", post(leases::heartbeat::one))
        .route("/leases/{lease}/complete", post(leases::finish::complete))
        .route("/leases/{lease}/fail", post(leases::finish::fail))
        .route("/leases/{lease}/release", post(leases::finish::release))
        .route("/leases/{lease}/input", get(leases::input::get))
        .route("/leases/{lease}/stream", post(leases::append::stream))
        .route("/leases/{lease}/log", post(leases::append::log))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::get))
        .route("/openapi.json", get(openapi::get))
        .route("/", get(people::start))
        .route("/docs", get(people::docs))
        .route("/problems/{slug}", get(people::problem))
        .route("/assets/raincheck.css", get(people::style))
        .route("/assets/job.js", get(people::job_script))
        .route("/assets/api.js", get(people::api_script))
        .fallback(people::missing)
        .with_state(app)
}
