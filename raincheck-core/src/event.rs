use crate::failure::Failure;
use crate::id::{JobId, JobNo};
use crate::limits;
use crate::name::Name;
use crate::progress::Progress;
use crate::state::State;
use crate::time::{Millis, Timestamp};

/// A place in the whole change feed; grows, with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor(pub i64);

/// One change of one job, written in the transaction of the change.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Place in the whole feed; the store gives it.
    pub cursor: Cursor,
    /// Number within the job: dense, from 1.
    pub seq: u32,
    /// The job, for stores.
    pub no: JobNo,
    /// The job, for people.
    pub job: JobId,
    /// Its queue.
    pub queue: Name,
    /// Its kind.
    pub kind: Name,
    /// Its state after the change.
    pub state: State,
    /// Its attempt after the change.
    pub attempt: u32,
    /// When it happened, by the clock of the store.
    pub at: Timestamp,
    /// What happened, and what belongs to that alone.
    pub data: EventData,
}

impl Event {
    /// About how much there is of it, bytes: for whoever reads or keeps many.
    pub fn weight(&self) -> usize {
        let data = match &self.data {
            EventData::Created { key: Some(key) } => key.len(),
            EventData::Progress(report) => report.weight(),
            EventData::Retrying { failure, .. } | EventData::Failed(failure) => failure.weight(),
            _ => 0,
        };
        320 + data
    }
}

/// What happened, with what there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub enum EventData {
    /// Submitted; the event's state is the one it starts in.
    Created {
        /// The idempotency key that its client gave.
        key: Option<Box<str>>,
    },
    /// Became ready.
    Queued,
    /// Waits for a slot or another job.
    Blocked,
    /// Leased.
    Started {
        /// Name of the worker, as its lease request gave it.
        worker: Box<str>,
    },
    /// A report from the run.
    Progress(Progress),
    /// An attempt failed; another one follows.
    Retrying {
        /// Why it failed.
        failure: Failure,
        /// When the next one is due.
        run_at: Timestamp,
    },
    /// A run was lost; another one follows.
    Lost {
        /// Who ran it, by the name that its lease request gave.
        worker: Box<str>,
    },
    /// A worker gave it back.
    Released,
    /// Its run was asked to stop.
    CancelRequested,
    /// Final.
    Succeeded,
    /// Final.
    Failed(Failure),
    /// Final.
    Canceled,
    /// The job is forgotten: what else there was to say is not published. Only read, never written.
    Gone(EventType),
}

/// How much of the feed stays when its jobs are forgotten. Events of jobs that are there stay in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRetention {
    /// An event stays for so long, milliseconds.
    pub keep: Millis,
    /// All of them together take no more, bytes: the oldest go first.
    pub max_bytes: u64,
}

/// A look at the beginning of the feed for what may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// At so many events, at most.
    pub limit: usize,
    /// Up to here every named reader has read; what is behind it stays longer, within the bound of bytes.
    pub read: Cursor,
}

impl Trim {
    /// At most so many events, whoever has read them.
    pub fn of(limit: usize) -> Self {
        Trim { limit, read: Cursor(i64::MAX) }
    }
}

impl FeedRetention {
    /// Whether an event stays that is the oldest of the feed, be its job forgotten: all those of forgotten jobs together take
    /// so many bytes now.
    pub fn keeps(&self, (cursor, at): (Cursor, Timestamp), bytes: i64, now: Timestamp, trim: Trim) -> bool {
        let has_room = u64::try_from(bytes).is_ok_and(|bytes| bytes <= self.max_bytes);
        (has_room || bytes < 0) && (at > now.plus(-self.keep) || cursor > trim.read)
    }
}

impl Default for FeedRetention {
    fn default() -> Self {
        FeedRetention { keep: limits::FEED_KEEP_MILLIS, max_bytes: limits::FEED_BYTES }
    }
}

/// The bare type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "same as EventData")]
pub enum EventType {
    Created = 0,
    Queued = 1,
    Blocked = 2,
    Started = 3,
    Progress = 4,
    Retrying = 5,
    Lost = 6,
    Released = 7,
    CancelRequested = 8,
    Succeeded = 9,
    Failed = 10,
    Canceled = 11,
}

impl EventType {
    /// Every type, in the order of their numbers.
    pub const ALL: [EventType; 12] = [
        EventType::Created,
        EventType::Queued,
        EventType::Blocked,
        EventType::Started,
        EventType::Progress,
        EventType::Retrying,
        EventType::Lost,
        EventType::Released,
        EventType::CancelRequested,
        EventType::Succeeded,
        EventType::Failed,
        EventType::Canceled,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Created => "created",
            EventType::Queued => "queued",
            EventType::Blocked => "blocked",
            EventType::Started => "started",
            EventType::Progress => "progress",
            EventType::Retrying => "retrying",
            EventType::Lost => "lost",
            EventType::Released => "released",
            EventType::CancelRequested => "cancel_requested",
            EventType::Succeeded => "succeeded",
            EventType::Failed => "failed",
            EventType::Canceled => "canceled",
        }
    }

    /// The type behind a stored number, or `None`.
    pub fn from_number(number: i64) -> Option<EventType> {
        usize::try_from(number).ok().and_then(|n| EventType::ALL.get(n).copied())
    }
}

impl EventData {
    /// The bare type.
    pub fn event_type(&self) -> EventType {
        match self {
            EventData::Created { .. } => EventType::Created,
            EventData::Queued => EventType::Queued,
            EventData::Blocked => EventType::Blocked,
            EventData::Started { .. } => EventType::Started,
            EventData::Progress(_) => EventType::Progress,
            EventData::Retrying { .. } => EventType::Retrying,
            EventData::Lost { .. } => EventType::Lost,
            EventData::Released => EventType::Released,
            EventData::CancelRequested => EventType::CancelRequested,
            EventData::Succeeded => EventType::Succeeded,
            EventData::Failed(_) => EventType::Failed,
            EventData::Canceled => EventType::Canceled,
            EventData::Gone(event_type) => *event_type,
        }
    }
}
