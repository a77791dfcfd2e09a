//! What a caller asks for, before anything of it is checked or filled in.

use crate::defaults::Policy;
use crate::id::JobId;
use crate::job::Method;
use crate::time::{Millis, Timestamp};

/// What somebody asks for, whichever way it came in. What is `None` is left to the [`Defaults`](crate::Defaults);
/// [`resolve`](crate::resolve()) makes a job of it. Only `kind` is required. The input comes beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JobRequest<'a> {
    /// Names the work.
    pub kind: &'a str,
    /// Where it waits.
    pub queue: Option<&'a str>,
    /// A line for people.
    pub label: Option<&'a str>,
    /// Idempotency key.
    pub key: Option<&'a str>,
    /// The id that the client chose.
    pub id: Option<JobId>,
    /// Whether it may be repeated.
    pub method: Option<Method>,
    /// -100 to 100, more goes first.
    pub priority: Option<i64>,
    /// Not before so long from now, milliseconds.
    pub delay: Option<Millis>,
    /// Not before this time.
    pub run_at: Option<Timestamp>,
    /// Fails unless started by then.
    pub start_by: Option<Deadline>,
    /// An equal `GET` job that succeeded at most this long ago answers instead, milliseconds.
    pub max_age: Option<Millis>,
    /// How it is run and kept.
    pub policy: Policy,
    /// Names and values for finding it again, in any order.
    pub tags: &'a [(Box<str>, Box<str>)],
}

/// A time, or a duration from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Then.
    At(Timestamp),
    /// So many milliseconds from now.
    In(Millis),
}
