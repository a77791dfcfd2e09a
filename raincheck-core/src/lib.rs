//! The words and the rules of Raincheck.
//!
//! Everything here is pure: time, randomness and stored facts come in as arguments, changes go out as values.
//!
//! # What it holds
//!
//! * The words: [`Job`] and its [`Spec`], its [`State`], [`Event`], [`Name`], [`Object`], [`Payload`], and the
//!   [`limits`] of all of them.
//! * What is asked for: a [`JobRequest`], which [`resolve()`] turns into a [`NewJob`] by the [`Defaults`], and the
//!   digests by which two requests are found to be one.
//! * The rules: [`decide`], one function each.
//! * How a command is carried out, for every store: [`interpreter`].
//!
//! # The walk
//!
//! A [`JobRequest`] becomes a [`NewJob`], which goes into a [`Command`]. A store asks [`interpreter::needs`] what must
//! be known, looks that up as [`interpreter::Facts`] and hands both to [`interpreter::carry_out`] (new jobs to
//! [`interpreter::take`], a request for work to [`interpreter::Serving`]). That calls the rule in [`decide`] with the
//! [`decide::Moment`], and answers with each [`Change`] that is to be written and the [`Reply`] for once it is. Where a
//! decision is about another job, too, it names a [`interpreter::FollowUp`], which is carried out the same way.
//!
//! # What it must not know
//!
//! I/O, async, SQL, HTTP, JSON; nor what time it is, or what is random.
//!
//! # Where to begin
//!
//! [`State`], which has the drawn life of a job; then [`Command`] and [`Change`], which are all that can be asked for
//! and written; then one rule, [`decide::settle()`].

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
