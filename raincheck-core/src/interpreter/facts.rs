use bytes::Bytes;
use thiserror::Error;

use crate::id::JobNo;
use crate::job::Job;
use crate::lease::{ChunkKind, LeaseRef, Overdue};
use crate::object::Object;
use crate::payload::{Content, Digest};
use crate::queue::QueueSettings;
use crate::retry::RetryPolicy;

/// Something that a command may have to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fact<T> {
    /// Nobody looked.
    #[default]
    NotAsked,
    /// It is not there.
    Absent,
    /// It is there: this is what was found.
    Here(T),
}

/// A command was to be carried out that had not been told what it needs: a fault of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a command does not know what it needs: {0}")]
pub struct NotAsked(pub &'static str);

impl<T> Fact<T> {
    /// Nobody looked.
    pub fn is_missing(&self) -> bool {
        matches!(self, Fact::NotAsked)
    }

    /// What is made of it, if it is here.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Fact::NotAsked => Fact::NotAsked,
            Fact::Absent => Fact::Absent,
            Fact::Here(it) => Fact::Here(make(it)),
        }
    }

    /// What there is; `what` is for people.
    pub fn known(self, what: &'static str) -> Result<Option<T>, NotAsked> {
        match self {
            Fact::NotAsked => Err(NotAsked(what)),
            Fact::Absent => Ok(None),
            Fact::Here(it) => Ok(Some(it)),
        }
    }
}

impl<T> From<Option<T>> for Fact<T> {
    fn from(found: Option<T>) -> Self {
        found.map_or(Fact::Absent, Fact::Here)
    }
}

/// What one command knows, as it is in the transaction under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The job that it names.
    pub job: Fact<Job>,
    /// How the lease of a run stands that seems to be over.
    pub lease: Fact<Held>,
    /// The result of the job that is kept already.
    pub recorded: Fact<Recorded>,
    /// When the job is tried again.
    pub retry: Fact<RetryPolicy>,
    /// Where the stream or log ends that it adds to.
    pub part: Fact<Part>,
    /// The queue that it names.
    pub queue: Fact<NamedQueue>,
    /// The named object that it names.
    pub object: Fact<NamedObject>,
    /// The jobs that it sweeps.
    pub due: Fact<Vec<Job>>,
}

/// How a lease stands at this very moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Why the run is over, if it is: a heartbeat may have come since somebody looked.
    pub overdue: Option<Overdue>,
    /// Name of the worker that holds it, from its lease request.
    pub worker: Box<str>,
}

/// A result that is kept, as far as another one is compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Digest of its bytes, as stored with the result.
    pub digest: Digest,
    /// See [`Content::content_type`].
    pub content_type: Option<Box<str>>,
    /// See [`Content::filename`].
    pub filename: Option<Box<str>>,
}

impl Recorded {
    /// What is kept of it.
    pub fn of(result: &Content) -> Self {
        let Content { digest, content_type, filename, .. } = result;
        Recorded { digest: *digest, content_type: content_type.clone(), filename: filename.clone() }
    }
}

/// A queue that a command names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedQueue {
    /// It is there, or there is room for one more name.
    pub has_room: bool,
    /// What is set on it.
    pub settings: QueueSettings,
}

/// A named object that a command names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedObject {
    /// It, if there is one of this name.
    pub object: Option<Object>,
    /// There are fewer of its kind than [`crate::limits::OBJECTS`].
    pub has_room: bool,
}

/// Where a stream or log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkPlace {
    /// Of which job.
    pub no: JobNo,
    /// Stream or log.
    pub kind: ChunkKind,
    /// A stream starts over with each attempt; a log is one for all of them, and this is 0.
    pub attempt: u32,
}

impl ChunkPlace {
    /// Where a run's is.
    pub fn of(LeaseRef { no, attempt }: LeaseRef, kind: ChunkKind) -> Self {
        let attempt = match kind {
            ChunkKind::Stream => attempt,
            ChunkKind::Log => 0,
        };
        ChunkPlace { no, kind, attempt }
    }
}

/// Where a stream or log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its length so far, bytes.
    pub end: u64,
    /// The attempt that wrote last.
    pub run: u32,
    /// Where the part of that attempt begins, bytes from the start.
    pub base: u64,
}

/// A piece of a stream or log that goes to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The stream or log that it continues.
    pub place: ChunkPlace,
    /// Where it begins, bytes from the start of the stream or log.
    pub start: u64,
    /// The run that writes it.
    pub run: u32,
    /// Where the part of that attempt begins, bytes from the start.
    pub base: u64,
    /// Media type of the whole, with its first piece.
    pub content_type: Option<Box<str>>,
    /// At most [`crate::limits::CHUNK_BYTES`].
    pub bytes: Bytes,
}

impl Piece {
    /// Where the stream or log ends with it.
    pub fn part(&self) -> Part {
        Part { end: self.start + self.bytes.len() as u64, run: self.run, base: self.base }
    }
}
