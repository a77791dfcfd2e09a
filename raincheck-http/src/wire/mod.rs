//! What JSON comes in, read by serde with unknown members refused. What goes out is [`raincheck_engine::wire`]'s.

mod duration;
#[cfg(test)]
mod fuzz;
mod lease;
mod mistyped;
mod names;
mod new_job;
mod patch;
mod progress;
mod read;
mod reader;
mod words;

pub use duration::{Duration, text_or_seconds};
pub use lease::{FailBody, FinishBody, HeartbeatBody, HeartbeatsBody, LeaseBody, ReleaseBody};
pub use mistyped::mistyped;
pub use new_job::{BatchBody, Moment, NewJobBody, RerunBody, RetentionBody, RetryBody, Tags};
pub use patch::QueuePatchBody;
pub use progress::ProgressBody;
pub use raincheck_engine::wire::{
    Form, JobView, Json, check_json, time, too_deep, write_event, write_job, write_job_members, write_note,
};
pub use read::{AtMost, Object, Present, escape, read, read_or_default};
pub use reader::ReaderBody;
pub use words::{Method, OnLost, State, WaitingFor, one_of};
