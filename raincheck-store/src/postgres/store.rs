//! The trait [`Store`], on PostgreSQL: commands go to the writer, all else is asked beside it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use raincheck_core::{
    ChunkKind, Command, Content, Cursor, Job, JobId, JobNo, LeaseRef, Name, Object, ObjectKind, Reply, Timestamp,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::blobs::Blobs;
use crate::postgres::connection::timeouts::{LEAST, answered};
use crate::postgres::partitions::maintain::{self, Maintained};
use crate::postgres::reader::{chunks, events, jobs, lines, list, objects};
use crate::postgres::shared::{NEVER, Shared};
use crate::postgres::writer::Request;
use crate::postgres::{check, node};
use crate::records::{
    Chunk, ChunkInfo, Commit, EventFilter, EventPage, Filter, Found, JobPage, Most, Overrun, QueueStats, Record,
    Renewal, Renewed, ResultInfo, Stats,
};
use crate::{Checkup, CommitTimes, OrphanSearch, Store, StoreError};

/// The store on PostgreSQL. See [`crate::Store`] for what it promises.
pub struct PostgresStore {
    pub(crate) shared: Arc<Shared>,
    /// Without a bound of its own: a caller waits for its answer before it asks again.
    pub(crate) requests: RwLock<Option<UnboundedSender<Request>>>,
    pub(crate) writer: Mutex<Option<JoinHandle<()>>>,
    /// What goes on beside it, until the store is closed.
    pub(crate) tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl PostgresStore {
    /// Does at once what is otherwise done every now and then: makes partitions ahead of time, drops those of jobs that
    /// are all forgotten, moves what is left of the few others, and forgets the feed of jobs that are.
    ///
    /// # Errors
    /// [`StoreError::Other`] when the database cannot be reached or does not do it.
    pub async fn maintain(&self) -> Result<Maintained, StoreError> {
        Ok(maintain::round(&self.shared, 0).await?)
    }

    /// A time of the clock that decides, on this node's own: whoever waits for it looks at that.
    fn by_own_clock(&self, at: i64) -> Option<Timestamp> {
        let ahead = self.shared.clock.now().since(self.shared.clock.own.now());
        Some(at).filter(|at| *at != NEVER).map(|at| Timestamp(at.saturating_sub(ahead)))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn apply(&self, commands: Vec<Command>) -> Result<Vec<Reply>, StoreError> {
        self.shared.asked();
        let stopped = || StoreError::Stopped("the store is closed".to_owned());
        let (answer, reply) = oneshot::channel();
        let request = Request { commands, since: Instant::now(), answer };
        if self.requests.read().as_ref().is_none_or(|writer| writer.send(request).is_err()) {
            return Err(stopped());
        }
        reply.await.map_err(|_| stopped())?
    }

    fn commits(&self) -> UnboundedReceiver<Commit> {
        self.shared.feed.commits()
    }

    async fn job(&self, id: JobId) -> Result<Found<Box<Record>>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { jobs::find(&db, shared, id).await }).await
    }

    async fn job_row(&self, id: JobId) -> Result<Found<Job>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { jobs::find(&db, shared, id).await }).await
    }

    async fn record(&self, no: JobNo) -> Result<Option<Box<Record>>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { jobs::record(&db, shared, no).await }).await
    }

    async fn is_purged(&self, no: JobNo) -> Result<bool, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { jobs::is_purged(&db, no).await }).await
    }

    async fn input(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { jobs::input(&db, shared, no).await }).await
    }

    async fn result(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { jobs::result(&db, shared, no).await }).await
    }

    async fn results(&self, jobs: &[JobNo]) -> Result<Vec<Option<ResultInfo>>, StoreError> {
        let shared = &self.shared;
        let nos: &Vec<i64> = &jobs.iter().map(|no| no.0).collect();
        if nos.is_empty() {
            return Ok(Vec::new());
        }
        let found = shared.read(|db| async move { jobs::results(&db, shared, nos).await }).await?;
        Ok(nos.iter().map(|no| found.get(no).cloned().flatten()).collect())
    }

    async fn jobs(&self, filter: Filter, limit: usize) -> Result<JobPage, StoreError> {
        let (shared, filter) = (&self.shared, &filter);
        shared.read(|mut db| async move { list::jobs(&mut db, shared, filter, limit).await }).await
    }

    async fn some_job_events(&self, no: JobNo, after: u32, most: Most) -> Result<EventPage, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { events::of_job(&db, shared, no, after, most).await }).await
    }

    async fn some_events(&self, after: Cursor, filter: &EventFilter, most: Most) -> Result<EventPage, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { events::of_all(&db, shared, after, filter, most).await }).await
    }

    async fn is_void(&self, cursor: Cursor) -> Result<bool, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { events::is_void(&db, cursor).await }).await
    }

    fn history(&self) -> i64 {
        self.shared.history.current()
    }

    async fn began_in(&self, lease: LeaseRef, history: i64) -> Result<bool, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { jobs::began_in(&db, shared, lease, history).await }).await
    }

    fn histories(&self) -> u64 {
        self.shared.history.count()
    }

    fn history_changes(&self) -> u64 {
        self.shared.history.changes()
    }

    fn timeline(&self) -> Option<i64> {
        Some(self.shared.history.timeline().into())
    }

    fn missing_events(&self) -> u64 {
        self.shared.history.missing()
    }

    fn gaps_of_histories(&self) -> Vec<(Cursor, Cursor)> {
        self.shared.history.gaps()
    }

    async fn feed_bounds(&self) -> Result<(Cursor, Cursor), StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { events::bounds(&db, shared).await }).await
    }

    async fn object(&self, kind: ObjectKind, name: &Name) -> Result<Option<Object>, StoreError> {
        self.shared.read(|db| async move { objects::find(&db, kind, name).await }).await
    }

    async fn objects(&self, kind: ObjectKind, after: Option<&Name>, limit: usize) -> Result<Vec<Object>, StoreError> {
        self.shared.read(|db| async move { objects::list(&db, kind, after, limit).await }).await
    }

    async fn chunks(
        &self,
        no: JobNo,
        kind: ChunkKind,
        attempt: u32,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Chunk>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { chunks::read(&db, shared, no, kind, attempt, offset, limit).await }).await
    }

    async fn chunk_info(&self, no: JobNo, kind: ChunkKind, attempt: u32) -> Result<ChunkInfo, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { chunks::info(&db, shared, no, kind, attempt).await }).await
    }

    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<Renewed>, StoreError> {
        self.shared.renew_leases(renewals).await
    }

    async fn leases(&self, leases: Vec<LeaseRef>) -> Result<Vec<Renewed>, StoreError> {
        self.shared.standing_leases(leases).await
    }

    async fn overdue(&self, limit: usize) -> Result<Vec<Overrun>, StoreError> {
        self.shared.overdue_leases(limit).await
    }

    fn next_overdue(&self) -> Option<i64> {
        self.shared.next_overdue_lease()
    }

    fn is_left_over(&self) -> bool {
        self.shared.left_over.load(Ordering::Acquire)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.by_own_clock(self.shared.next_due.load(Ordering::Acquire))
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        self.by_own_clock(self.shared.next_expiry.load(Ordering::Acquire))
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        let feed = self.shared.read(|db| async move { events::feed_stats(&db).await }).await?;
        let counters = self.shared.counters.read();
        Ok(Stats { queues: counters.all_queues(), kinds: counters.all_kinds(), feed })
    }

    async fn oldest_ready(&self) -> Result<Vec<(Name, Timestamp)>, StoreError> {
        self.shared.read(|db| async move { lines::oldest(&db).await }).await
    }

    fn queue(&self, name: &Name) -> Option<QueueStats> {
        self.shared.counters.read().queue(name)
    }

    fn cap_kind(&self, kind: &Name, concurrency: Option<u32>) {
        let mut caps = self.shared.kind_caps.write();
        match concurrency {
            Some(cap) => caps.insert(kind.clone(), cap),
            None => caps.remove(kind),
        };
    }

    fn check(&self) -> Result<Box<dyn Checkup>, StoreError> {
        Ok(check::of_live(&self.shared))
    }

    fn refused_writes(&self) -> u64 {
        self.shared.refused_writes.load(Ordering::Relaxed)
    }

    async fn seek_orphans(&self, search: &mut OrphanSearch) -> Result<bool, StoreError> {
        search.step(&self.shared.blobs, &*self.shared, self.shared.clock.own.reading().served()).await
    }

    fn blobs(&self) -> &Blobs {
        &self.shared.blobs
    }

    fn secret(&self) -> [u8; 32] {
        self.shared.secret
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.shared.reach.health()
    }

    async fn close(&self) {
        // What was taken is finished; then this node gives its number back.
        self.shared.reach.stop("the store is closed");
        self.requests.write().take();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && writer.await.is_err()
        {
            tracing::error!("the writer ended by a panic");
        }
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        if self.shared.pool.is_closed() {
            return;
        }
        let until = Instant::now() + LEAST;
        let left = async {
            let db = self.shared.reader(until).await?;
            node::leave(&***db, &self.shared).await
        };
        if let Err(error) = answered(until, left).await {
            tracing::warn!(trouble = %error, "the number of this node stays taken for a while");
        }
        self.shared.pool.close();
        if let Some(folder) = self.shared.blobs.folder()
            && let Err(error) = folder.release()
        {
            tracing::warn!(%error, "the lock of the large payloads cannot be released");
        }
    }

    fn worker(&self, lease: LeaseRef) -> Option<Box<str>> {
        self.shared.leases.lock().worker(lease)
    }

    fn space(&self) -> (Option<u64>, bool) {
        // The disk is the database's own care.
        (None, false)
    }

    fn commit_times(&self) -> CommitTimes {
        self.shared.commit_clock.read()
    }
}
