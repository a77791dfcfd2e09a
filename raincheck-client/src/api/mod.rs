//! The wire shapes of the HTTP contract, one noun a file.
//!
//! They are this crate's own: nothing is shared with the server, so an older client meets a newer server by
//! reading leniently (members that it does not know are skipped) and writing strictly (absent means default).

mod duration;
mod event;
#[cfg(test)]
mod fuzz;
mod job;
mod lease;
mod list;
mod new_job;
mod problem;
mod queue;
mod reader;
mod worker;

pub use duration::{InvalidDuration, WireDuration};
pub use event::{Event, EventPage};
pub use job::{Job, JobResult, Links, Progress, State};
pub use lease::{
    Appended, Failure, FailureError, Finish, FinishAction, Finished, Heartbeat, HeartbeatAnswer, Lease, LeaseAnswer,
    LeaseLimits, LeaseRequest, WorkerName,
};
pub use list::{JobPage, ListFilter, Page};
pub use new_job::{AfterFailed, Concurrency, Method, NewJob, OnConflict, OnLost, Rate, Retention, Retry};
pub use problem::{Problem, Violation};
pub use queue::{Queue, QueuePatch};
pub use reader::Reader;
pub use worker::{Kind, WorkerInfo};

/// A piece of JSON kept as the text it was written in, because payloads pass through byte for byte.
pub type RawJson = Box<serde_json::value::RawValue>;

/// Turns any JSON value into the text form that [`NewJob::input`] and results carry.
///
/// # Errors
/// When `value` cannot be written as JSON (a map whose keys are not strings, for example).
pub fn raw_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<RawJson, serde_json::Error> {
    serde_json::value::to_raw_value(value)
}
