//! Jobs and events as JSON, the same on every way out: HTTP, and whatever else tells of them. And the canonical form of
//! JSON that comes in, by which it is compared.

mod base;
mod canonical;
mod event;
#[cfg(test)]
mod fuzz;
mod job;
mod json;
mod progress;
pub mod time;

pub use base::BaseUrl;
pub use canonical::{JsonError, canonical, check_json, too_deep};
pub use event::{Form, write_event, write_note};
pub use job::{JobView, write_failure, write_job, write_job_members};
pub use json::Json;
pub use progress::write_progress;
