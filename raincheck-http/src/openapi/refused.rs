//! What refusals and failed jobs look like, for the description.
#![allow(dead_code, reason = "described, not constructed")]

use raincheck_core::FailureCode;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::schema::{Job, object};
use crate::wire::one_of;

/// Why something was refused (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    /// Tells one problem from another: `/problems/` and its name, where there is a page that explains it.
    #[schema(example = "/problems/not-found")]
    r#type: String,
    title: String,
    status: u16,
    #[schema(required = false, nullable = false)]
    detail: Option<String>,
    #[schema(required = false, nullable = false)]
    errors: Option<Vec<Violation>>,
    /// The job as it is, where that is why.
    #[schema(required = false, nullable = false)]
    job: Option<Job>,
}

/// A member that did not pass.
#[derive(ToSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901), or `?name` of a query parameter.
    pointer: String,
    detail: String,
}

/// How a job ends that does not succeed.
pub const ENDS: [FailureCode; 5] =
    [FailureCode::Failed, FailureCode::Canceled, FailureCode::Expired, FailureCode::Timeout, FailureCode::Lost];

/// A job that has failed or was canceled: a problem (RFC 9457), with the members of the job beside.
pub struct FailedJob;

impl PartialSchema for FailedJob {
    fn schema() -> RefOr<Schema> {
        let (mut failed, job) = (object(Problem::schema()), object(Job::schema()));
        for no in ["errors", "job"] {
            failed.properties.remove(no);
        }
        failed.properties.extend(job.properties);
        failed.required.extend(job.required);
        let kinds = ENDS.map(|code| format!("/problems/{}", code.slug()));
        failed.properties.insert("type".to_owned(), one_of("How it ended.", kinds));
        failed.description =
            Some("A job that has failed or was canceled: a problem with the job's members beside.".into());
        failed.into()
    }
}

impl ToSchema for FailedJob {}
