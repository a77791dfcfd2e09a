//! The seam: what every store can do and promises.

use async_trait::async_trait;
use raincheck_core::{
    ChunkKind, Command, Content, Cursor, Event, Job, JobId, JobNo, LeaseRef, Name, Object, ObjectKind, Reply, Timestamp,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::records::{
    Chunk, ChunkInfo, Commit, EventFilter, EventPage, Filter, Found, JobPage, Most, Overrun, QueueStats, Record,
    Renewal, Renewed, ResultInfo, Stats,
};
use crate::{Blobs, Checkup, CommitTimes, OrphanSearch, StoreError};

/// Where jobs live. Held as `Arc<dyn Store>`; batches in, batches out, because throughput is group commit.
///
/// Every store keeps these promises; the conformance suite checks them:
/// - a job's new state, its events and what follows from it are one transaction, on disk before the answer;
/// - every guarded write carries its full predicate (state, attempt), so nothing overwrites a finished job;
/// - once a reader has seen a cursor, no event at or below it ever appears later;
/// - uniqueness comes from a unique index, never from look-then-insert.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Carries out `commands` in one transaction, shared with other callers' where they meet, and answers each
    /// once it is on disk. Leases see what the commands before them did, and what followed from that. On error none of them
    /// happened.
    async fn apply(&self, commands: Vec<Command>) -> Result<Vec<Reply>, StoreError>;

    /// Everything committed from now on, in order. One reader; a second call takes over from the first.
    fn commits(&self) -> UnboundedReceiver<Commit>;

    /// The job of a public id, without its input's bytes.
    async fn job(&self, id: JobId) -> Result<Found<Box<Record>>, StoreError>;
    /// The own row of the job of a public id: what changes of it, and what never does.
    async fn job_row(&self, id: JobId) -> Result<Found<Job>, StoreError>;
    /// The job of a number, without its input's bytes; `None` when it is not there.
    async fn record(&self, no: JobNo) -> Result<Option<Box<Record>>, StoreError>;
    /// Whether there was a job of that number that was purged, as far as that is still remembered: one that is not there may
    /// as well be lost.
    async fn is_purged(&self, no: JobNo) -> Result<bool, StoreError>;
    /// What the worker gets, with its bytes unless they are a file; `None` when the job is not there.
    async fn input(&self, no: JobNo) -> Result<Option<Content>, StoreError>;
    /// What the worker made, with its bytes unless they are a file; `None` when there is none.
    async fn result(&self, no: JobNo) -> Result<Option<Content>, StoreError>;
    /// The results of some jobs, as a job shows its own; `None` where there is none.
    async fn results(&self, jobs: &[JobNo]) -> Result<Vec<Option<ResultInfo>>, StoreError> {
        let mut results = Vec::with_capacity(jobs.len());
        for no in jobs {
            results.push(self.record(*no).await?.and_then(|record| record.result));
        }
        Ok(results)
    }
    /// Jobs, newest first; stops looking after two seconds.
    async fn jobs(&self, filter: Filter, limit: usize) -> Result<JobPage, StoreError>;

    /// A page of events of one job numbered above `after`, oldest first.
    async fn job_events(&self, no: JobNo, after: u32, limit: usize) -> Result<Vec<Event>, StoreError> {
        Ok(self.some_job_events(no, after, Most::page(limit)).await?.items)
    }
    /// A page of events of the whole feed above `after`, oldest first.
    async fn events(&self, after: Cursor, filter: &EventFilter, limit: usize) -> Result<EventPage, StoreError> {
        self.some_events(after, filter, Most::page(limit)).await
    }
    /// Events of one job numbered above `after`, oldest first; those behind them are not read.
    async fn some_job_events(&self, no: JobNo, after: u32, most: Most) -> Result<EventPage, StoreError>;
    /// Events of the whole feed above `after`, oldest first; those behind them are not read, but to be filtered.
    async fn some_events(&self, after: Cursor, filter: &EventFilter, most: Most) -> Result<EventPage, StoreError>;
    /// The place of the latest event, and of the latest one that was removed (0 when the feed is whole): whoever has read up
    /// to there or further misses nothing. Events of jobs that are there are kept below it, too.
    async fn feed_bounds(&self) -> Result<(Cursor, Cursor), StoreError>;
    /// Where the feed skips numbers, as the data went on with another history there: of each, the place of the last event
    /// before and the last number that is skipped. As this node knows them.
    fn gaps_of_histories(&self) -> Vec<(Cursor, Cursor)> {
        Vec::new()
    }

    /// Whether events up to this place were published that are not in the data any more: the place means nothing.
    async fn is_void(&self, _cursor: Cursor) -> Result<bool, StoreError> {
        Ok(false)
    }
    /// Which history of the data this is: another number after the data lost what was published. 0 is the first
    /// one.
    fn history(&self) -> i64 {
        0
    }
    /// Whether a run began in that history, and is in the data.
    async fn began_in(&self, _lease: LeaseRef, history: i64) -> Result<bool, StoreError> {
        Ok(history == 0)
    }
    /// How many histories the data has had; one more each time it went on elsewhere or was put back.
    fn histories(&self) -> u64 {
        1
    }
    /// How often, since the store was opened, the data came back without what was published.
    fn history_changes(&self) -> u64 {
        0
    }
    /// The timeline of the server that the data is on, where it can move: another one after each promotion.
    fn timeline(&self) -> Option<i64> {
        None
    }

    /// A named object; `None` when there is none of this name.
    async fn object(&self, kind: ObjectKind, name: &Name) -> Result<Option<Object>, StoreError>;
    /// Named objects of a kind behind `after`, by the bytes of their names, at most `limit`.
    async fn objects(&self, kind: ObjectKind, after: Option<&Name>, limit: usize) -> Result<Vec<Object>, StoreError>;

    /// Pieces of a stream (of one attempt) or log (attempt ignored) from `offset` on, at most `limit` bytes.
    async fn chunks(
        &self,
        no: JobNo,
        kind: ChunkKind,
        attempt: u32,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Chunk>, StoreError>;
    /// What there is of a stream or log.
    async fn chunk_info(&self, no: JobNo, kind: ChunkKind, attempt: u32) -> Result<ChunkInfo, StoreError>;

    /// Extends leases, each by no more than it was taken with or handed over for ([`Command::Extend`]); answers each.
    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<Renewed>, StoreError>;
    /// How leases stand, as a heartbeat would be answered, but without extending any; answers each.
    async fn leases(&self, leases: Vec<LeaseRef>) -> Result<Vec<Renewed>, StoreError>;
    /// Runs whose lease or time is over by now, at most `limit`. Settling one looks again before it writes.
    async fn overdue(&self, limit: usize) -> Result<Vec<Overrun>, StoreError>;
    /// Milliseconds on the monotonic clock ([`raincheck_core::Clock::ticks`]) when [`Store::overdue`] next has
    /// something, unless a heartbeat comes.
    fn next_overdue(&self) -> Option<i64>;
    /// Whether [`Command::CatchUp`] has something to do; may say so wrongly, never that there is nothing.
    fn is_left_over(&self) -> bool;
    /// When the next [`Command::Promote`] or [`Command::Expire`] has something to do; may be too early, never too late.
    fn next_due(&self) -> Option<Timestamp>;
    /// When the next [`Command::PurgeExpired`] has something to do; may be too early, never too late.
    fn next_expiry(&self) -> Option<Timestamp>;

    /// Kept statistics of everything.
    async fn stats(&self) -> Result<Stats, StoreError>;
    /// Of each queue in which jobs are ready, by name: since when the one has been that is there for the longest, of the
    /// [`raincheck_core::limits::HEAD_OF_LINE`] that are next in line of each kind.
    async fn oldest_ready(&self) -> Result<Vec<(Name, Timestamp)>, StoreError>;
    /// Kept statistics of one queue, from memory.
    fn queue(&self, name: &Name) -> Option<QueueStats>;
    /// Sets how many jobs of a kind may run at once, on all nodes; from the configuration, at start.
    fn cap_kind(&self, kind: &Name, concurrency: Option<u32>);

    /// A look through everything for broken promises, in pieces small enough to be made while others wait.
    fn check(&self) -> Result<Box<dyn Checkup>, StoreError>;

    /// Transactions that were given up since the store was opened because they would have broken a promise.
    fn refused_writes(&self) -> u64;

    /// Events that were acknowledged and are known to be missing, because the disk lost them.
    fn missing_events(&self) -> u64 {
        0
    }

    /// A small step of a search for large payloads that no job refers to, which are moved out of the way, and for those that
    /// have lain there for long enough, which are removed. Answers whether it has come through everything once; the next
    /// step begins anew then, as after an error.
    async fn seek_orphans(&self, search: &mut OrphanSearch) -> Result<bool, StoreError>;
    /// The large payloads.
    fn blobs(&self) -> &Blobs;
    /// 32 random bytes made when the store was: keys for leases and cursors are derived from them.
    fn secret(&self) -> [u8; 32];
    /// Whether the store takes writes now; a probe for readiness, without writing.
    fn health(&self) -> Result<(), StoreError>;
    /// The wall clock that decides.
    fn now(&self) -> Timestamp;
    /// Stops taking commands, finishes those taken, and releases the data.
    async fn close(&self);
    /// Whose run this is, where known.
    fn worker(&self, lease: LeaseRef) -> Option<Box<str>>;
    /// What the names of workers end in that live and die with this server: what they run when it dies is settled as lost
    /// at its next start. `None` where the data has other servers, too, and nobody can tell whose a run was.
    fn own_workers(&self) -> Option<&str> {
        None
    }
    /// Bytes the caller may expect to be free for the data, where the store knows, and whether it refuses submits for lack of
    /// it.
    fn space(&self) -> (Option<u64>, bool);
    /// How long its transactions held up those who waited for them or behind them.
    fn commit_times(&self) -> CommitTimes;
}
