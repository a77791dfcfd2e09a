//! What the handlers' descriptions say in common, and the whole description served.

mod bytes;
mod event;
mod examples;
mod finish;
mod headers;
mod names;
mod parameters;
mod problems;
mod refused;
mod schema;
mod security;
mod work;

use axum::extract::State as AppState;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

pub use event::{EventPage, JobEventPage};
pub use finish::{Row, finish};
pub use parameters::{
    FailureParameters, FeedParameters, IncludeParameters, JobPrecondition, ListParameters, PageParameters,
    PreconditionParameters, RawParameters, SubmitParameters, TailParameters, WaitParameters,
};
pub use problems::{
    ChangeProblems, ControlProblems, JobProblems, ObjectProblems, ProbeProblems, PutProblems, ReadProblems,
    SubmitProblems, Unready, WorkProblems,
};
pub use refused::Problem;
pub use schema::{Job, JobPage, Jobs, Kind, Kinds, Queue, Queues, Reader, Readers, Workers};
pub use work::{Appended, HeartbeatAnswer, HeartbeatAnswers, LeaseAnswer};

use super::app::App;

/// Serves the whole description.
pub async fn get(AppState(app): AppState<App>) -> Response {
    let mut response = app.document().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    response
}
