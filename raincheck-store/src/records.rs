//! What a store answers to those who read.

use std::collections::BTreeMap;

use bytes::Bytes;
use raincheck_core::{
    ChunkKind, Cursor, Digest, Event, Failure, Job, JobNo, LeaseRef, Millis, Name, NameFilter, Overdue, Progress,
    QueueSettings, Spec, State, Timestamp, limits,
};

/// What a look-up by id found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<T> {
    /// It is there: this is what was read of it.
    Here(T),
    /// It was there, under this number, and has been purged.
    Purged(JobNo),
    /// It never was, as far as anyone remembers.
    Unknown,
}

/// A job with everything a reader is shown. Inputs are left out: [`Record::spec`] holds the input's size and
/// type, and its bytes only where they were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The part that changes with every step.
    pub job: Job,
    /// The part that was fixed by the submit.
    pub spec: Spec,
    /// Size of the input, bytes.
    pub input_size: u64,
    /// Latest progress that its worker reported.
    pub progress: Option<Progress>,
    /// Latest failure: the error of a failed job, the last error of one that goes on.
    pub failure: Option<Failure>,
    /// The result of a succeeded job.
    pub result: Option<ResultInfo>,
}

impl Record {
    /// About how much of it there is to show, bytes.
    pub fn weight(&self) -> usize {
        let result = self.result.as_ref().and_then(|result| result.value.as_ref()).map_or(0, Bytes::len);
        let tags: usize = self.spec.tags.iter().map(|(name, value)| name.len() + value.len()).sum();
        1_024
            + result
            + tags
            + self.failure.as_ref().map_or(0, Failure::weight)
            + self.progress.as_ref().map_or(0, Progress::weight)
    }
}

/// What a look at the feed may go through where not all of it passes, bytes.
const LOOK_BYTES: usize = 512 << 10;

/// How many of these a page holds: those before it is full, but one at least.
pub(crate) fn on_a_page(weights: impl Iterator<Item = usize>) -> usize {
    let mut room = limits::PAGE_BYTES;
    let fits = weights.take_while(|weight| {
        let fits = room > 0;
        room = room.saturating_sub(*weight);
        fits
    });
    fits.count()
}

/// A result without its bytes, unless it is JSON small enough to show.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultInfo {
    /// Media type; `None` is `application/json`.
    pub content_type: Option<Box<str>>,
    /// File name as the worker gave it.
    pub filename: Option<Box<str>>,
    /// Size, bytes.
    pub size: u64,
    /// Digest of the bytes.
    pub digest: Digest,
    /// The JSON text, when it is JSON of at most [`raincheck_core::limits::INLINE_BYTES`].
    pub value: Option<Bytes>,
}

impl ResultInfo {
    /// Whether there is one: a run may end without. An empty file is one, of a type.
    pub fn is_there(&self) -> bool {
        self.size > 0 || self.content_type.is_some()
    }
}

/// Which jobs to list. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In one of these states; none given is any.
    pub states: Vec<State>,
    /// In one of these queues.
    pub queues: NameFilter,
    /// Of one of these kinds.
    pub kinds: NameFilter,
    /// With this idempotency key.
    pub key: Option<Box<str>>,
    /// With all these tags.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// Submitted at or after.
    pub created_after: Option<Timestamp>,
    /// This text somewhere in id, label, key, tags, input or failure; matched literally, ignoring ASCII case.
    pub text: Option<Box<str>>,
    /// Only jobs older than this one: the place where the page before ended.
    pub before: Option<JobNo>,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Default)]
pub struct JobPage {
    /// The jobs.
    pub items: Vec<Record>,
    /// Where the next page goes on ([`Filter::before`]); `None` at the end.
    pub next: Option<JobNo>,
    /// The search was stopped by its time limit; `next` says where it stopped.
    pub partial: bool,
}

/// Which events of the whole feed to read. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of one of these queues.
    pub queues: NameFilter,
    /// Of one of these kinds.
    pub kinds: NameFilter,
    /// With one of these states after the change; none given is any.
    pub states: Vec<State>,
    /// Of this job.
    pub job: Option<JobNo>,
}

impl EventFilter {
    /// Whether all pass.
    pub(crate) fn is_any(&self) -> bool {
        self.queues.is_any() && self.kinds.is_any() && self.states.is_empty() && self.job.is_none()
    }

    /// Whether `event` passes.
    pub fn admits(&self, event: &Event) -> bool {
        self.queues.admits(&event.queue)
            && self.kinds.admits(&event.kind)
            && (self.states.is_empty() || self.states.contains(&event.state))
            && self.job.is_none_or(|no| no == event.no)
    }
}

/// How many events to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Not more than so many.
    pub rows: usize,
    /// None behind the one with which they weigh so much, bytes ([`Event::weight`]).
    pub bytes: usize,
}

impl Most {
    /// A page of so many at most.
    pub fn page(rows: usize) -> Self {
        Most { rows, bytes: limits::PAGE_BYTES }
    }

    /// Not much, for a watch.
    pub fn ahead() -> Self {
        Most { rows: limits::READ_AHEAD_ROWS, bytes: limits::READ_AHEAD_BYTES }
    }

    /// Bytes that one look at the feed goes through, so that a filter that passes little does not read for long, either.
    pub(crate) fn look(self) -> usize {
        self.bytes.max(LOOK_BYTES)
    }
}

/// A page of the whole feed or of one job, oldest first.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// The events that pass the filter.
    pub items: Vec<Event>,
    /// Read up to here, events that did not pass included.
    pub read_to: Cursor,
    /// Nothing follows, for now.
    pub at_head: bool,
}

/// A piece of a stream or log.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The attempt that wrote it; a stream starts over with each.
    pub attempt: u32,
    /// Where it starts in the stream of that attempt (or in the whole log).
    pub offset: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What there is of a stream or log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChunkInfo {
    /// Its size so far, bytes.
    pub size: u64,
    /// Its media type, where the worker gave one.
    pub content_type: Option<Box<str>>,
}

/// What one transaction changed, handed to whoever tells others, in the order of the transactions.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Its events, in feed order.
    pub events: Vec<Event>,
    /// Streams and logs that grew.
    pub chunks: Vec<(JobNo, ChunkKind)>,
    /// What was published before may not be there any more: whoever follows reads again.
    pub history_changed: bool,
    /// It was made here, not at another node.
    pub is_own: bool,
}

/// A heartbeat.
#[derive(Clone, Copy, Debug)]
pub struct Renewal {
    /// The run: its job and attempt.
    pub lease: LeaseRef,
    /// New length of the lease, milliseconds; `None` keeps it.
    pub ttl: Option<Millis>,
}

/// The answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The lease goes on.
    Extended {
        /// What is left of it from now, milliseconds.
        ttl: Millis,
        /// The run is asked to stop.
        cancel_requested: bool,
    },
    /// The hand-over that was asked for would last beyond the time limit of the run: the lease goes on as it was. A store
    /// refuses that with [`raincheck_core::Reply::TooLong`], and never says it here.
    TooLong,
    /// The lease is over.
    Lost,
}

/// A run the sweeper should settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// The run: its job and attempt.
    pub lease: LeaseRef,
    /// Which of its limits has passed.
    pub why: Overdue,
}

/// Kept statistics of a queue; nothing is counted when they are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueStats {
    /// Its name.
    pub name: Option<Name>,
    /// What the operator set.
    pub settings: QueueSettings,
    /// Jobs by state, indexed by the number of the [`State`].
    pub by_state: [u64; 7],
    /// Tickets given out so far.
    pub tickets: i64,
    /// Tickets served so far.
    pub served: i64,
}

impl QueueStats {
    /// Jobs that wait.
    pub fn waiting(&self) -> u64 {
        self.by_state[..State::Running as usize].iter().sum()
    }
}

/// Kept statistics of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct KindStats {
    /// Its name.
    pub name: Name,
    /// Jobs by state, indexed by the number of the [`State`].
    pub by_state: [u64; 7],
    /// The queues that hold them, by name.
    pub queues: Vec<Name>,
}

/// The earliest time of each queue, by name.
pub(crate) fn earliest(all: impl IntoIterator<Item = (Name, Timestamp)>) -> Vec<(Name, Timestamp)> {
    let mut earliest = BTreeMap::new();
    for (queue, at) in all {
        earliest.entry(queue).and_modify(|first: &mut Timestamp| *first = at.min(*first)).or_insert(at);
    }
    earliest.into_iter().collect()
}

/// What there is of the change feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedStats {
    /// When the oldest event that is there happened.
    pub oldest: Option<Timestamp>,
    /// What the events of forgotten jobs take, about, bytes.
    pub forgotten_bytes: u64,
}

/// Kept statistics of the whole store.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Of every queue, by name.
    pub queues: Vec<QueueStats>,
    /// Of every kind, by name.
    pub kinds: Vec<KindStats>,
    /// Of the change feed.
    pub feed: FeedStats,
}
