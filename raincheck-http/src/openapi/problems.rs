//! Which problems answer which requests.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::problem::{self, Row};

/// Any request may get these.
const COMMON: &[&Row] =
    &[problem::INVALID_REQUEST, problem::UNAUTHORIZED, problem::MISDIRECTED, problem::HEADERS, problem::STORE];

fn responses(rows: &[&'static Row]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for row in COMMON.iter().chain(rows) {
        by_status.entry(row.status.to_string()).or_default().push(row.slug);
    }
    let response = |slugs: Vec<&str>| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().description(slugs.join(", ")).content("application/problem+json", content).build()
    };
    by_status.into_iter().map(|(status, slugs)| (status, response(slugs).into())).collect()
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($row:ident),*;)*) => {
        $($(#[$doc])*
        pub struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&[$(problem::$row),*])
            }
        })*
    };
}

problems! {
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
    /// Of a server that is not ready.
    Unready: DRAINING;
}
