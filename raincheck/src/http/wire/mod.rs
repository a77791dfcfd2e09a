//! The wire twins of the core's words: what JSON comes in and goes out.
//!
//! What comes in is read by serde with unknown members refused; what goes out is written straight into a buffer.

mod canonical;
mod event;
#[cfg(test)]
mod fuzz;
mod job;
mod json;
mod lease;
mod names;
mod new_job;
mod patch;
mod progress;
mod read;
pub mod time;

pub use canonical::{Fingerprint, first_half, too_deep};
pub use event::{Form, write_event, write_note};
pub use job::{JobView, failure_row, write_job, write_job_members};
pub use json::Json;
pub use lease::{FailBody, FinishBody, HeartbeatBody, HeartbeatsBody, LeaseBody, ReleaseBody};
pub use new_job::{BatchBody, Moment, NewJobBody, RerunBody, RetentionBody, RetryBody, Tags};
pub use patch::QueuePatchBody;
pub use progress::{ProgressBody, cut};
pub use read::{AtMost, Object, Present, escape, read, read_or_default};
pub use time::Duration;
