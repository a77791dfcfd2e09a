//! The words and the rules of Raincheck.
//!
//! Everything here is pure: time, randomness and stored facts come in as arguments, changes go out as
//! values. Nothing here does I/O, waits, or knows SQL, HTTP or JSON. See [`resolve()`] for what becomes of a request,
//! [`interpreter`] for how a command is carried out, [`decide`] for the rules and [`State`] for the drawn life of a job.

mod batch;
mod clock;
mod command;
pub mod decide;
mod defaults;
mod duration;
mod event;
mod failure;
mod fingerprint;
mod follow_up;
mod id;
pub mod interpreter;
mod job;
mod lease;
pub mod limits;
mod name;
mod name_filter;
mod object;
mod pattern;
mod payload;
mod place;
mod progress;
mod queue;
mod rank;
mod request;
mod resolve;
mod retry;
mod state;
mod steady;
mod time;
mod wanted;

pub use batch::{Batch, BatchName};
pub use clock::{Beat, Clock, Reading, SteppedClock, SystemClock};
pub use command::{
    Again, Append, Cancel, Change, ClaimScope, Command, LeaseJobs, Purged, Refusal, Reply, Settle, Submitted,
};
pub use defaults::{Defaults, KindDefaults, Policy};
pub use duration::{DurationError, format_duration, parse_duration};
pub use event::{Cursor, Event, EventData, EventType, FeedRetention, Trim};
pub use failure::{Failure, FailureCode};
pub use fingerprint::{Sameness, digest, first_half};
pub use id::{IdMint, JobId, JobNo};
pub use job::{Job, Method, NewJob, OnLost, Retention, Spec};
pub use lease::{ChunkKind, LeaseRef, Outcome, Overdue, log_bytes};
pub use name::{Name, NameError};
pub use name_filter::{NameFilter, NameFilterError};
pub use object::{Delete, Expected, Object, ObjectKind, Put};
pub use pattern::Pattern;
pub use payload::{Content, Digest, Payload};
pub use place::Place;
pub use progress::Progress;
pub use queue::{QueueFacts, QueuePatch, QueueSettings};
pub use rank::rank;
pub use request::{Deadline, JobRequest};
pub use resolve::{Invalid, resolve, wrong};
pub use retry::RetryPolicy;
pub use state::State;
pub use steady::SteadyClock;
pub use time::{Millis, Timestamp};
pub use wanted::Wanted;
