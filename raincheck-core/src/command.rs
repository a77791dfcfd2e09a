//! All that a store can be asked for, what that changes, and what is answered.

use std::sync::Arc;

use bytes::Bytes;

use crate::batch::Batch;
use crate::event::{Event, Trim};
use crate::failure::Failure;
use crate::follow_up::FollowUp;
use crate::id::{JobId, JobNo};
use crate::interpreter::Piece;
use crate::job::{Job, NewJob, Spec};
use crate::lease::{ChunkKind, LeaseRef, Outcome};
use crate::name::Name;
use crate::object::{Delete, Object, ObjectKind, Put};
use crate::pattern::Pattern;
use crate::payload::{Content, Digest};
use crate::progress::Progress;
use crate::queue::{QueuePatch, QueueSettings};
use crate::state::State;
use crate::time::Millis;
use crate::wanted::Wanted;

/// Something a store is asked to carry out in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// New jobs, all or none. Answered by [`Reply::Submitted`] or [`Reply::Refused`].
    Submit(Vec<NewJob>),
    /// The same under a name: asked again, it answers the jobs of the first time. Answered by [`Reply::Submitted`],
    /// [`Reply::Again`] or [`Reply::Refused`].
    SubmitBatch(Batch),
    /// Ready jobs for a worker. Answered by [`Reply::Leased`].
    Lease(LeaseJobs),
    /// The end of a run. Answered by [`Reply::Job`], [`Reply::LeaseLost`] or [`Reply::Gone`].
    Settle(Settle),
    /// A report from a run. Answered as a settle is.
    Progress(LeaseRef, Progress),
    /// Hands a run over: its lease is to last so long from now on, milliseconds, after every restart as well. A length that
    /// it has already changes nothing. Answered as a settle is, or by [`Reply::TooLong`].
    Extend(LeaseRef, Millis),
    /// Bytes for a run's stream or log. Answered by [`Reply::Appended`], [`Reply::LeaseLost`], [`Reply::Full`].
    Append(Append),
    /// Calls a job off. Answered by [`Reply::Job`], [`Reply::Finished`], [`Reply::Shared`], [`Reply::OtherVersion`] or
    /// [`Reply::Gone`].
    Cancel(Cancel),
    /// Makes a scheduled job due; with a number, see [`Cancel::seq`]. Answered by [`Reply::Job`], [`Reply::NotWaiting`],
    /// [`Reply::OtherVersion`] or [`Reply::Gone`].
    RunNow(JobNo, Option<u32>),
    /// Forgets a finished job, leaving a tombstone. Answered by [`Reply::Purged`], [`Reply::NotFinished`], [`Reply::Gone`].
    Purge(JobNo),
    /// Changes a queue's settings, making the queue if needed. Answered by [`Reply::Queue`] or [`Reply::OtherVersion`].
    SetQueue(Name, QueuePatch),
    /// Makes or replaces a named object. Answered by [`Reply::Put`], [`Reply::OtherVersion`] or [`Reply::Refused`].
    Put(Put),
    /// Deletes a named object. Answered by [`Reply::Deleted`], [`Reply::OtherVersion`] or [`Reply::Gone`].
    Delete(Delete),
    /// Queues up to so many scheduled jobs that are due. Answered by [`Reply::Swept`].
    Promote(usize),
    /// Fails up to so many waiting jobs whose `start_by` has passed. Answered by [`Reply::Swept`].
    Expire(usize),
    /// Purges up to so many finished jobs past their retention. Answered by [`Reply::Swept`].
    PurgeExpired(usize),
    /// Carries out up to so many follow-ups that were left over by the transactions they belong to. Answered by
    /// [`Reply::Swept`] with how many there is nothing in the way of.
    CatchUp(usize),
    /// Forgets up to so many tombstones and the claims of their jobs. Answered by [`Reply::Swept`].
    DropTombstones(usize),
    /// Goes through events from where it last came to, as far as [`crate::FeedRetention`] lets them go, and
    /// removes those of forgotten jobs. Answered by [`Reply::Swept`] with how many it went through.
    Trim(Trim),
}

impl Command {
    /// The new jobs that it asks for.
    pub fn new_jobs(&self) -> &[NewJob] {
        match self {
            Command::Submit(jobs) | Command::SubmitBatch(Batch { jobs, .. }) => jobs,
            _ => &[],
        }
    }
}

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseJobs {
    /// Who asks, for people.
    pub worker: Box<str>,
    /// From these queues; empty is all.
    pub queues: Vec<Name>,
    /// Of these kinds, or of any kind in `queues` where neither kinds nor patterns are named.
    pub kinds: Vec<Name>,
    /// Of the kinds that one of these matches, too.
    pub patterns: Vec<Pattern>,
    /// Most jobs that one answer may hold.
    pub max: usize,
    /// Length of the leases, milliseconds.
    pub ttl: Millis,
    /// Digest of the request's own id: the same again gets the same leases while they last.
    pub request_id: Option<Digest>,
}

impl LeaseJobs {
    /// What it asks for.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { queues: &self.queues, kinds: &self.kinds, patterns: &self.patterns }
    }

    /// Whether it asks for whatever kind there is in the queues that it names.
    pub fn any_kind(&self) -> bool {
        self.wanted().any_kind()
    }

    /// Whether it asks for jobs of this kind, in a queue that it asks for.
    pub fn wants_kind(&self, kind: &Name) -> bool {
        self.wanted().kind(kind)
    }

    /// Whether it asks for jobs of this kind in this queue.
    pub fn wants(&self, queue: &Name, kind: &Name) -> bool {
        self.wanted().job(queue, kind)
    }
}

/// The end of a run, bound to job and attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Settle {
    /// The run: its job and attempt, as its lease names them.
    pub lease: LeaseRef,
    /// How it ended, as its worker reports it or the sweeper found it.
    pub outcome: Outcome,
}

/// Bytes for the stream or log of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// The run: its job and attempt, as its lease names them.
    pub lease: LeaseRef,
    /// Stream or log.
    pub kind: ChunkKind,
    /// Where they start, counted from the beginning of this run's part; what is there already is not doubled. `None`
    /// is the end.
    pub offset: Option<u64>,
    /// The bytes.
    pub bytes: Bytes,
    /// Media type of the stream, kept from its first piece.
    pub content_type: Option<Box<str>>,
    /// Most bytes the whole may have.
    pub limit: u64,
}

/// A call to stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Cancel {
    /// The job.
    pub no: JobNo,
    /// Even when other callers share it.
    pub force: bool,
    /// Only if its latest event has this number.
    pub seq: Option<u32>,
}

/// What became of one submitted job.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// It is new.
    New(Job),
    /// Its key was used before with the same content: that job.
    Replayed(Job),
    /// Its chosen id exists with the same content: that job.
    Existing(Job),
    /// An equal `GET` job waits or runs: that job, shared by one more.
    Coalesced(Job),
    /// An equal `GET` job succeeded recently enough: that job.
    Cached(Job),
}

impl Submitted {
    /// The job, whichever way it came about.
    pub fn job(&self) -> &Job {
        match self {
            Submitted::New(job)
            | Submitted::Replayed(job)
            | Submitted::Existing(job)
            | Submitted::Coalesced(job)
            | Submitted::Cached(job) => job,
        }
    }
}

/// What became of a job of a batch that was taken before.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly all of them are here")]
pub enum Again {
    /// It, as it is now.
    Here(Job),
    /// It was purged.
    Purged(JobId),
}

/// Why nothing was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key stands for other content.
    KeyReused(JobId),
    /// The key is that of an earlier job of the same batch, the one at this index, which has other content.
    KeyTwice(usize),
    /// The request id stands for a batch of other content.
    BatchReused,
    /// The request id stands for a batch, and nothing remembers one of its jobs any more.
    BatchForgotten,
    /// The chosen id stands for other content.
    IdConflict(JobId),
    /// The key or id belongs to a purged job.
    Purged(JobId),
    /// The queue is at its bound of waiting jobs, which is this.
    QueueFull(Name, u64),
    /// The whole store is at its bound of waiting jobs, which is this.
    StoreFull(u64),
    /// There are as many queues, kinds or named objects as there may be.
    TooManyNames,
}

/// The answer to a purge: what the caller may clean up outside the store.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Purged {
    /// Files nobody refers to any more.
    pub blobs: Vec<Box<str>>,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// All were taken, in order.
    Submitted(Vec<Submitted>),
    /// Its name stands for a batch that was taken before, whose jobs these are, in order.
    Again(Vec<Again>),
    /// None was taken, because of the one at this index.
    Refused(usize, Refusal),
    /// Leased jobs and what they ask for.
    Leased(Vec<(Job, Spec)>),
    /// The job after the change, or unchanged where there was nothing to do.
    Job(Job),
    /// The lease is over; the job as it is now.
    LeaseLost(Job),
    /// The run's time limit comes before the end of the lease that was asked for.
    TooLong(Job),
    /// Bytes of this run are kept up to this offset.
    Appended(u64),
    /// The stream or log is at its bound.
    Full,
    /// The job is final and was not changed.
    Finished(Job),
    /// Other callers share the job.
    Shared(Job),
    /// The job does not wait for a time.
    NotWaiting(Job),
    /// The job is not final.
    NotFinished(Job),
    /// Forgotten.
    Purged(Purged),
    /// No such job (any more).
    Gone,
    /// The queue as it is now.
    Queue(QueueSettings),
    /// The named object as it is now, and whether there was none before.
    Put {
        /// As it is stored now, its new version among the rest.
        object: Object,
        /// There was none of this name.
        is_new: bool,
    },
    /// The job, queue or named object is not as the caller takes for granted; of a named object, this is what there is.
    OtherVersion(Option<Object>),
    /// The named object is gone.
    Deleted,
    /// So many jobs were swept; fewer than asked for means none are left.
    Swept(usize, Purged),
}

/// Where a claim is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ClaimScope {
    /// Ids chosen by clients, over the whole store.
    Id = 0,
    /// Idempotency keys, per queue.
    Key = 1,
    /// Digests of equal `GET` jobs, per queue; moves on to the newest such job.
    Equal = 2,
    /// Request ids of batches, over the whole store; each stands for all jobs of its batch.
    Batch = 3,
}

impl ClaimScope {
    /// The scope behind a stored number, or `None`.
    pub fn from_number(number: i64) -> Option<ClaimScope> {
        match number {
            0 => Some(ClaimScope::Id),
            1 => Some(ClaimScope::Key),
            2 => Some(ClaimScope::Equal),
            3 => Some(ClaimScope::Batch),
            _ => None,
        }
    }

    /// Whether it is unique in a queue; else in the whole store.
    pub fn is_of_queue(self) -> bool {
        match self {
            ClaimScope::Id | ClaimScope::Batch => false,
            ClaimScope::Key | ClaimScope::Equal => true,
        }
    }
}

/// A write that [`crate::decide`] asks for. A store carries out all of them, or none, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new job.
    Insert(Box<Job>, Box<Spec>),
    /// A changed job; the write must find `state` and `attempt` as they were.
    Update {
        /// State before the change, as it must still be stored.
        state: State,
        /// Attempt before the change, as it must still be stored.
        attempt: u32,
        /// The whole job as it is after the change.
        job: Box<Job>,
    },
    /// A name that stands for a job from now on.
    Claim {
        /// Where it is unique.
        scope: ClaimScope,
        /// The name: text of a key, bytes of an id or digest.
        key: Box<[u8]>,
        /// The job.
        no: JobNo,
        /// Digest of what was asked for under it.
        fingerprint: Digest,
    },
    /// A request id that stands for the jobs of a batch from now on, until nothing remembers any of them.
    ClaimBatch {
        /// The request id, as the client sent it.
        id: Box<str>,
        /// The jobs, in order; at least one.
        jobs: Arc<[JobNo]>,
        /// Digest of what was asked for under it.
        fingerprint: Digest,
    },
    /// Something happened; the store gives it its cursor.
    Event(Event),
    /// The result.
    Result(JobNo, Content),
    /// The latest failure.
    Failure(JobNo, Failure),
    /// The latest progress.
    Progress(JobNo, Progress),
    /// More of a stream or log.
    Piece(Piece),
    /// What is set on a queue, which is made if it is not there.
    Settings(Name, QueueSettings),
    /// A named object is made, or replaced; the write must find the version as it was.
    Put {
        /// The version before; `None` when there was none of this name.
        replaced: Option<i64>,
        /// The object after.
        object: Object,
    },
    /// A named object goes; the write must find the version as it was.
    Delete {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: Name,
        /// The version that must still be stored.
        version: i64,
    },
    /// A finished job goes, but for its tombstone, the claims on it and the places of its events in the feed; the write must
    /// find its state as it was.
    Forget(Box<Job>),
    /// What the events of a forgotten job held goes at once: somebody asked for that. Their places stay.
    Erase(JobNo),
    /// A run's lease lasts so long from now on, milliseconds.
    Extend(LeaseRef, Millis),
    /// A run is asked to stop.
    AskToStop(LeaseRef),
    /// A run is over.
    EndLease(LeaseRef),
    /// This is to be carried out in the same transaction, see [`crate::interpreter::FollowUps`].
    FollowUp(FollowUp),
}
