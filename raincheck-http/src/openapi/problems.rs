//! Which problems answer which requests. Each status is one component, which the answers refer to with the names of theirs.

use std::collections::BTreeMap;

use http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::headers;
use super::refused::{ENDS, FailedJob, Problem};
use crate::problem::{self, ROWS, Row};

type Responses = BTreeMap<String, RefOr<Response>>;

/// Of every one of them.
const MEDIA: &str = "application/problem+json";
/// The component of a question about a job that has failed.
const JOB_FAILED: &str = "JobFailed";

/// Any request may get these.
const ANY: &[&Row] = &[
    problem::INVALID_REQUEST,
    problem::UNAUTHORIZED,
    problem::MISDIRECTED,
    problem::HEADERS,
    problem::STORE,
    problem::OVERLOADED,
];
/// Any request of somebody who need not show who they are.
const OPEN: &[&Row] = &[problem::HEADERS];

fn refer_to(base: &[&'static Row], rows: &[&'static Row]) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for row in base.iter().chain(rows) {
        by_status.entry(row.status).or_default().push(row.slug);
    }
    let refer = |(status, slugs): (u16, Vec<&str>)| {
        let of_job = slugs.contains(&problem::JOB_FAILED.slug);
        let name = if of_job { JOB_FAILED.to_owned() } else { name(status) };
        (status.to_string(), reference(&name, &slugs.join(", ")))
    };
    by_status.into_iter().map(refer).collect()
}

fn reference(name: &str, about: &str) -> RefOr<Response> {
    let mut reference = Ref::from_response_name(name);
    about.clone_into(&mut reference.description);
    RefOr::Ref(reference)
}

/// The component of a status: its words in one, as `NotFound`.
fn name(status: u16) -> String {
    let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    words.unwrap_or("Problem").replace(' ', "")
}

/// Makes what a handler writes out refer to the component of its status.
pub fn refer(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (RefOr::T(written), Ok(status)) = (&*response, status.parse())
            && written.content.contains_key(MEDIA)
        {
            *response = reference(&name(status), &written.description);
        }
    }
}

/// Adds a component for each status.
pub fn define(components: &mut Components) {
    for row in ROWS.iter().filter(|row| row.status != problem::METHOD_NOT_ALLOWED.status) {
        let alike = ROWS.iter().filter(|other| other.status == row.status && !is_end(other));
        let about = alike.map(|row| format!("`{}`: {}", row.slug, row.title)).collect::<Vec<_>>().join("; ");
        let problem = Ref::from_schema_name(Problem::name());
        components
            .responses
            .insert(name(row.status), component(&about, problem.into(), headers::of_problem(row.status)));
    }
    let either = [FailedJob::name(), Problem::name()].map(Ref::from_schema_name);
    let either = either.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    let about = "The job has failed or was canceled, or the request is not understood.";
    let carried = &[headers::PREFERENCE_APPLIED];
    components.responses.insert(JOB_FAILED.to_owned(), component(about, either.into(), carried));
    components.schemas.insert(FailedJob::name().into_owned(), FailedJob::schema());
}

/// Whether it is how a job ends.
fn is_end(row: &Row) -> bool {
    ENDS.iter().any(|code| code.slug() == row.slug)
}

fn component(about: &str, schema: RefOr<Schema>, carried: &[&str]) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut response = ResponseBuilder::new().description(about).content(MEDIA, content).build();
    headers::add(&mut response, carried);
    response.into()
}

macro_rules! problems {
    (those of $base:ident, and: $($(#[$doc:meta])* $name:ident: $($row:ident),*;)*) => {
        $($(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                refer_to($base, &[$(problem::$row),*])
            }
        })*
    };
}

problems! {
    those of ANY, and:
    /// Of submits.
    SubmitProblems: INVALID_KEY, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, PURGED, TOO_LARGE, UNSUPPORTED, KEY_REUSED, VALIDATION, NOT_IMPLEMENTED, QUEUE_FULL, DRAINING;
    /// Of submits under a chosen id.
    PutProblems: INVALID_KEY, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, JOB_ID_CONFLICT, PURGED, PRECONDITION, TOO_LARGE, UNSUPPORTED, KEY_REUSED, VALIDATION, NOT_IMPLEMENTED, QUEUE_FULL, DRAINING;
    /// Of questions about a job.
    JobProblems: JOB_FAILED, JOB_CANCELED, JOB_EXPIRED, JOB_TIMEOUT, JOB_LOST, NOT_FOUND, PURGED, PAYLOAD_LOST, PRECONDITION;
    /// Of other questions.
    ReadProblems: INVALID_CURSOR, FORBIDDEN, NOT_FOUND, PURGED, CURSOR_EXPIRED;
    /// Of changes of a job.
    ControlProblems: FORBIDDEN, NOT_FOUND, JOB_FINISHED, JOB_SHARED, JOB_NOT_FINISHED, JOB_NOT_WAITING, JOB_DONE, PURGED, PAYLOAD_LOST, PRECONDITION;
    /// Of changes of a queue.
    ChangeProblems: FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, MANAGED, PRECONDITION, TOO_LARGE, UNSUPPORTED, VALIDATION, NOT_IMPLEMENTED;
    /// Of changes of a named object.
    ObjectProblems: INVALID_CURSOR, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, CURSOR_EXPIRED, PRECONDITION, TOO_LARGE, UNSUPPORTED, VALIDATION, NOT_IMPLEMENTED;
    /// Of workers' requests.
    WorkProblems: FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, LEASE_LOST, PURGED, PAYLOAD_LOST, PRECONDITION, TOO_LARGE, UNSUPPORTED, RANGE, VALIDATION, NOT_IMPLEMENTED, DRAINING;
}

problems! {
    those of OPEN, and:
    /// Of the probe whether it lives.
    ProbeProblems:;
    /// Of a server that is not ready.
    Unready: STORE, DRAINING;
}
