//! Which answers carry which headers, for the description.

use utoipa::ToSchema;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Components, Ref, RefOr, Response};

use super::schema::Job;

/// What was applied of `Prefer`.
pub const PREFERENCE_APPLIED: &str = "Preference-Applied";

/// Where a job is.
const HANDLE: &str = "http://localhost:8202/jobs/0193a5c2-7b1e-7c4d-9f00-3b1d0c2e8a11";
/// Where a page of a list is.
const NEXT: &str = "<http://localhost:8202/jobs?cursor=2a.9d1f>; rel=\"next\"";

/// Their examples and meanings. Those with a number as example are numbers.
const HEADERS: &[(&str, &str, &str)] = &[
    ("Accept", "application/json", "What is taken here instead (RFC 9110 section 12.5.1)."),
    ("Accept-Encoding", "identity", "That no coding of the body is taken (RFC 9110 section 12.5.3)."),
    ("Accept-Ranges", "bytes", "Parts can be asked for by `Range` (RFC 9110 section 14.3)."),
    ("Connection", "upgrade", "That `Upgrade` is for this hop alone (RFC 9110 section 7.8)."),
    ("Content-Disposition", "attachment; filename=\"small.mp4\"", "The name that its maker gave it (RFC 6266)."),
    ("Content-Location", HANDLE, "The job that this answer shows (RFC 9110 section 8.7)."),
    ("Content-Range", "bytes 0-99/1234", "Which part it is, and of how much (RFC 9110 section 14.4)."),
    ("ETag", "W/\"4\"", "Its version, for `If-None-Match` and `If-Match` (RFC 9110 section 8.8.3)."),
    ("Idempotency-Replayed", "true", "The answer is that of an earlier request, with things as they are now."),
    ("Link", NEXT, "The next page, where there is one (RFC 8288)."),
    ("Location", HANDLE, "Where to ask for it from now on, an absolute URL (RFC 9110 section 10.2.2)."),
    (PREFERENCE_APPLIED, "wait=20", "How long the answer was ready to wait (RFC 7240 section 3)."),
    ("Raincheck-Attempt", "1", "The attempt whose bytes these are."),
    ("Raincheck-Cached", "true", "A result that was kept answers: nothing new was made."),
    ("Raincheck-Coalesced", "true", "An equal job that was there already is shared."),
    ("Retry-After", "1", "Seconds to wait before asking again (RFC 9110 section 10.2.3)."),
    ("Sec-WebSocket-Version", "13", "The version that is spoken here (RFC 6455 section 4.4)."),
    ("Upgrade", "websocket", "The protocol that is spoken here (RFC 9110 section 7.8)."),
    ("WWW-Authenticate", "Bearer realm=\"raincheck\"", "That a bearer token is asked for (RFC 6750 section 3)."),
];

/// Submits of one job.
const SUBMITS: Of = Of::These(&["submit_job", "submit_bytes", "put_job"]);
/// Downloads of bytes that do not change any more.
const FILES: Of = Of::These(&["get_result", "get_lease_input"]);

/// Of which answers.
enum Of {
    /// That show a job.
    Job,
    /// Of operations that may be told to wait.
    Wait,
    /// Of these operations.
    These(&'static [&'static str]),
}

/// Whose answers of which statuses carry what.
const CARRIED: &[(Of, &[&str], &[&str])] = &[
    (Of::Job, &["200", "202"], &["ETag"]),
    (Of::Job, &["201", "202"], &["Location", "Retry-After"]),
    (Of::Wait, &["200", "201", "202", "204", "206", "304"], &[PREFERENCE_APPLIED]),
    (SUBMITS, &["200", "201", "202"], &["Content-Location", "Raincheck-Coalesced"]),
    (SUBMITS, &["200"], &["Location", "Retry-After"]),
    (Of::These(&["submit_job", "submit_bytes"]), &["200", "202"], &["Idempotency-Replayed"]),
    (Of::These(&["submit_batch"]), &["202"], &["Idempotency-Replayed"]),
    (Of::These(&["get_job"]), &["304"], &["ETag", "Retry-After"]),
    (Of::These(&["list_jobs"]), &["200"], &["Link"]),
    (FILES, &["200", "206", "304"], &["ETag", "Accept-Ranges", "Content-Disposition"]),
    (FILES, &["206"], &["Content-Range"]),
    (Of::These(&["get_stream"]), &["200"], &["Raincheck-Attempt"]),
    (Of::These(&["get_reader", "put_reader"]), &["200", "201"], &["ETag"]),
    (Of::These(&["put_reader"]), &["201"], &["Location"]),
    (Of::These(&["get_queue", "change_queue"]), &["200"], &["ETag"]),
    (Of::These(&["rerun_job"]), &["202"], &["Idempotency-Replayed"]),
    (SUBMITS, &["200"], &["Raincheck-Cached"]),
];

/// What a problem of this status carries.
pub fn of_problem(status: u16) -> &'static [&'static str] {
    match status {
        401 => &["WWW-Authenticate"],
        415 => &["Accept", "Accept-Encoding"],
        416 => &["Content-Range"],
        426 => &["Connection", "Upgrade", "Sec-WebSocket-Version"],
        503 => &["Retry-After"],
        _ => &[],
    }
}

/// Adds what the answers of an operation carry.
pub fn add_to(operation: &mut Operation) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let waits = operation.parameters.iter().flatten().any(|of| matches!(of, RefOr::T(of) if of.name == "wait"));
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        for (of, _, names) in CARRIED.iter().filter(|(_, statuses, _)| statuses.contains(&status.as_str())) {
            let is_meant = match of {
                Of::Job => shows_job(response),
                Of::Wait => waits,
                Of::These(ids) => ids.contains(&id),
            };
            if is_meant {
                add(response, names);
            }
        }
    }
}

fn shows_job(response: &Response) -> bool {
    let job = Ref::from_schema_name(Job::name());
    response
        .content
        .values()
        .any(|content| matches!(content, RefOr::T(of) if of.schema == Some(RefOr::Ref(job.clone()))))
}

/// Makes an answer refer to these.
pub fn add(response: &mut Response, names: &[&str]) {
    for name in names {
        let reference = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert((*name).to_owned(), RefOr::Ref(reference));
    }
}

/// Adds what the answers refer to.
pub fn define(components: &mut Components) {
    for (name, example, about) in HEADERS {
        components.headers.insert((*name).to_owned(), header(example, about).into());
    }
}

fn header(example: &str, about: &str) -> Header {
    let number = example.parse::<u32>().ok();
    let of = number.map_or(Type::String, |_| Type::Integer);
    let example = number.map_or_else(|| example.into(), Into::into);
    let schema = ObjectBuilder::new().schema_type(of);
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).example(Some(example)).build()
}
