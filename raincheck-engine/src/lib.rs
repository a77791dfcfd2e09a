//! Use cases and loops of Raincheck, embeddable without HTTP.
//!
//! # What it holds
//!
//! * The use cases, as methods of [`Engine`], each in the file of its noun: [`Engine::submit`], [`Engine::lease`],
//!   [`Engine::heartbeat`], [`Engine::settle`], [`Engine::cancel`], [`Engine::wait`], [`Engine::watch_job`],
//!   [`Engine::watch_feed`] and their like.
//! * Eight loops behind it, begun by [`Engine::start`]: the pulse, by which a standstill is noticed; the tail of the
//!   store's commits, which wakes whoever waits, and the fallback poll, for whom it does not; the maintenance, which
//!   does what nobody asked for; the flush of progress reports; slow searches for broken promises, for half-written
//!   payloads that nobody writes any more, and for payloads that no job refers to.
//! * Jobs and events as JSON, for every way out: [`wire`].
//! * Workers within the process: [`LocalWorker`].
//!
//! # The walk
//!
//! A use case makes a [`Command`](raincheck_core::Command), hands it to [`Store::apply`](raincheck_store::Store::apply)
//! and reads the reply (`replies`). What was committed comes back by the tail, which tells the line of waiting workers
//! (`dispatch`), the workers' list, the statistics, and at last the `hub`, which wakes whoever watches a job or the feed.
//! A wake-up is a hint: what somebody acts on is read from the store.
//!
//! # What it must not know
//!
//! SQL, HTTP, and rules, which are the core's.
//!
//! # Where to begin
//!
//! `submit.rs` for a use case, `tail.rs` for what follows it, `start.rs` for the loops; the example `embedded` for how
//! it is used.

mod answers;
mod chunks;
mod content;
mod control;
mod counters;
mod cursor;
mod dispatch;
mod engine;
mod fallback_poll;
mod flush;
#[cfg(test)]
mod fuzz;
mod heartbeat;
mod hub;
mod kind_counters;
mod lease;
mod lease_request;
mod local;
mod maintenance;
mod observe;
mod pending_lease;
mod progress;
mod pulse;
mod rate;
mod readers;
mod replies;
mod request;
mod rerun;
mod results;
#[cfg(test)]
mod samples;
mod secret;
mod settings;
mod settle;
mod start;
mod stats;
mod store_stats;
mod submit;
mod tail;
mod wait_estimate;
mod waiting;
mod watch_feed;
mod watch_job;
pub mod wire;
mod workers;

pub use answers::{AppendAnswer, CancelAnswer, Finish, ObjectError, PurgeAnswer, QueueError, RunNowAnswer, Taken};
pub use chunks::Follow;
pub use content::json;
pub use counters::Counters;
pub use engine::Engine;
pub use heartbeat::Beat;
pub use kind_counters::{KindCounters, TIMES_MILLIS, Times};
pub use lease_request::{LeaseAnswer, LeaseError, LeaseRequest, Leased, WorkerId};
pub use local::{Handlers, LocalOptions, LocalWorker, Task};
pub use observe::Until;
pub use raincheck_core::digest;
pub use readers::{Lag, Reader, ReaderError};
pub use request::{InvalidRequest, compare, sameness};
pub use rerun::{RerunError, RerunRequest};
pub use settings::Settings;
pub use stats::RunTimes;
pub use store_stats::StoreStats;
pub use submit::SubmitError;
pub use wait_estimate::{WaitEstimate, WaitingFor};
pub use watch_feed::{FeedError, FeedWatch, Start};
pub use watch_job::JobWatch;
pub use workers::WorkerInfo;
