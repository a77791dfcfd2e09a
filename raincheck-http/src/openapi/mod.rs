//! What the handlers' descriptions say in common, and the whole description served.

mod parameters;
mod problems;
mod schema;

use axum::extract::State as AppState;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

pub use parameters::{
    FeedParameters, JobPrecondition, ListParameters, PageParameters, PreconditionParameters, RawParameters,
    TailParameters, WaitParameters,
};
pub use problems::{
    ChangeProblems, ControlProblems, JobProblems, ObjectProblems, PutProblems, ReadProblems, SubmitProblems, Unready,
    WorkProblems,
};
pub use schema::{
    Appended, EventPage, HeartbeatAnswer, HeartbeatAnswers, Job, JobPage, Jobs, Kind, Kinds, LeaseAnswer, Problem,
    Queue, Queues, Reader, Readers, Workers,
};

use super::app::App;

/// Serves the whole description.
pub async fn get(AppState(app): AppState<App>) -> Response {
    let mut response = Bytes::clone(app.document).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    response
}
