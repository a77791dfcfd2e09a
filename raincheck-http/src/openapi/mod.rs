//! The OpenAPI 3.1 description, generated from the handlers and the wire's types.

mod parameters;
mod problems;
mod schema;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use utoipa::OpenApi;

pub use parameters::{
    FeedParameters, ListParameters, PageParameters, PreconditionParameters, RawParameters, TailParameters,
    WaitParameters,
};
pub use problems::{
    ChangeProblems, JobProblems, ObjectProblems, PutProblems, ReadProblems, SteerProblems, SubmitProblems, Unready,
    WorkProblems,
};
pub use schema::{
    Appended, EventPage, HeartbeatAnswer, HeartbeatAnswers, Job, JobPage, Jobs, Kind, Kinds, LeaseAnswer, Problem,
    Queue, Queues, Reader, Readers, Workers,
};

use super::{
    health, jobs, kinds, leases, list, metrics, queues, readers, result, steer, stream, submit, watch, workers,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Raincheck", description = "Slow work in, a handle out at once, the result later."),
    paths(
        submit::post, submit::put, submit::batch::post, submit::raw::post, kinds::list, kinds::get,
        jobs::get, list::get, result::get, stream::get, stream::log, watch::job::get, watch::feed::get,
        readers::list, readers::get, readers::put, readers::delete,
        steer::cancel, steer::rerun, steer::run_now, steer::purge,
        queues::list, queues::get, queues::patch, workers::list,
        leases::post, leases::heartbeat::one, leases::heartbeat::many, leases::finish::complete, leases::finish::fail,
        leases::finish::release, leases::input::get, leases::append::stream, leases::append::log,
        health::live, health::ready, metrics::get,
    ),
    tags(
        (name = "submit", description = "Slow work in, a handle out"),
        (name = "learn", description = "How it stands, and the result"),
        (name = "steer", description = "Cancel, run again, purge"),
        (name = "operate", description = "Queues, kinds and workers, for operators"),
        (name = "work", description = "For workers"),
        (name = "run", description = "For whoever runs the server"),
    )
)]
struct Api;

/// The whole description.
pub static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(|| {
    let mut document = Api::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    for (path, item) in &mut document.paths.paths {
        let methods = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                operation.operation_id = Some(name(method, path));
            }
        }
    }
    document
});

/// The name of an operation, from its method and path: `post_jobs_id_run_now`.
fn name(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

static TEXT: LazyLock<Bytes> = LazyLock::new(|| DOCUMENT.to_json().unwrap_or_default().into());

/// Serves it.
pub async fn get() -> Response {
    let mut response = TEXT.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    response
}
