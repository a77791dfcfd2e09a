use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use raincheck_core::{
    ChunkKind, Command, Content, Cursor, Job, JobId, JobNo, LeaseRef, Name, Object, ObjectKind, Reply, Timestamp,
};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::check::of_live;
use super::checkpoint::Stop;
use super::error::other;
use super::shared::{NEVER, Shared};
use super::tables::records::{content, find, record};
use super::tables::{chunks, claims, events, lines, list, meta, objects, stats};
use super::writer::state::Request;
use crate::blobs::Blobs;
use crate::records::{
    Chunk, ChunkInfo, Commit, EventFilter, EventPage, Filter, Found, JobPage, Most, Overrun, QueueStats, Record,
    Renewal, Renewed, Stats,
};
use crate::{Checkup, CommitTimes, OrphanSearch, Store, StoreError};

/// So many reads go on aside at once in this process, each in a thread.
const READS_ASIDE: usize = 32;
static ASIDE: Semaphore = Semaphore::const_new(READS_ASIDE);

/// Reads beside the threads that serve everybody: events, many of which may be large and missed by many, and searches.
async fn aside<T, F>(read: F) -> Result<T, StoreError>
where
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    // Never closed, so there is no error. Who waits for a turn takes no thread.
    let _turn = ASIDE.acquire().await;
    tokio::task::spawn_blocking(read).await.map_err(|e| StoreError::Other(e.to_string()))?
}

/// The store on SQLite. See [`crate::Store`] for what it promises.
pub struct SqliteStore {
    pub(super) shared: Arc<Shared>,
    /// Without a bound of its own: a caller waits for its answer before it asks again.
    pub(super) requests: RwLock<Option<mpsc::UnboundedSender<Request>>>,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(super) stop_checkpoints: Arc<Stop>,
    /// Held for as long as the data is open; the system lets go of it when the process ends, however it ends.
    pub(super) lock: Mutex<Option<std::fs::File>>,
}

#[async_trait]
impl Store for SqliteStore {
    async fn apply(&self, commands: Vec<Command>) -> Result<Vec<Reply>, StoreError> {
        let stopped = || self.shared.stopped();
        let (answer, reply) = oneshot::channel();
        let request = Request { commands, answer };
        if self.requests.read().as_ref().is_none_or(|writer| writer.send(request).is_err()) {
            return Err(stopped());
        }
        reply.await.map_err(|_| stopped())?
    }

    fn commits(&self) -> UnboundedReceiver<Commit> {
        let (sender, receiver) = unbounded_channel();
        *self.shared.commits.lock() = Some(sender);
        receiver
    }

    async fn job(&self, id: JobId) -> Result<Found<Box<Record>>, StoreError> {
        self.shared.read(|db| find(db, id, |no| record(db, &self.shared.names, no), |record| record.job.id))
    }

    async fn job_row(&self, id: JobId) -> Result<Found<Job>, StoreError> {
        self.shared.read(|db| find(db, id, |no| claims::job(db, &self.shared.names, no), |job| job.id))
    }

    async fn record(&self, no: JobNo) -> Result<Option<Box<Record>>, StoreError> {
        self.shared.read(|db| record(db, &self.shared.names, no))
    }

    async fn is_purged(&self, no: JobNo) -> Result<bool, StoreError> {
        self.shared.read(|db| claims::tombstone(db, no).map(|tombstone| tombstone.is_some()))
    }

    async fn input(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        const SQL: &str = "SELECT content_type, filename, blob, size, input, \
            (SELECT b.digest FROM blob b WHERE b.name=s.blob) FROM spec s WHERE no=?1";
        self.shared.read(|db| content(db, SQL, no))
    }

    async fn result(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        const SQL: &str = "SELECT content_type, filename, blob, size, bytes, digest FROM result WHERE no=?1";
        self.shared.read(|db| content(db, SQL, no))
    }

    async fn jobs(&self, filter: Filter, limit: usize) -> Result<JobPage, StoreError> {
        let shared = self.shared.clone();
        aside(move || list::jobs(&shared, &filter, limit)).await
    }

    async fn some_job_events(&self, no: JobNo, after: u32, most: Most) -> Result<EventPage, StoreError> {
        let shared = self.shared.clone();
        aside(move || shared.read(|db| events::of_job(db, &shared.names, no, after, most))).await
    }

    async fn some_events(&self, after: Cursor, filter: &EventFilter, most: Most) -> Result<EventPage, StoreError> {
        let head = Cursor(self.shared.head.load(Ordering::Acquire));
        let (shared, filter) = (self.shared.clone(), filter.clone());
        aside(move || shared.read(|db| events::of_all(db, &shared.names, after, head, &filter, most))).await
    }

    async fn feed_bounds(&self) -> Result<(Cursor, Cursor), StoreError> {
        let floor = self.shared.read(meta::floor)?.unwrap_or(0);
        Ok((Cursor(self.shared.head.load(Ordering::Acquire)), Cursor(floor)))
    }

    async fn object(&self, kind: ObjectKind, name: &Name) -> Result<Option<Object>, StoreError> {
        self.shared.read(|db| objects::find(db, kind, name))
    }

    async fn objects(&self, kind: ObjectKind, after: Option<&Name>, limit: usize) -> Result<Vec<Object>, StoreError> {
        self.shared.read(|db| objects::list(db, kind, after, limit))
    }

    async fn chunks(
        &self,
        no: JobNo,
        kind: ChunkKind,
        attempt: u32,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Chunk>, StoreError> {
        self.shared.read(|db| chunks::read(db, no, kind, attempt, offset, limit))
    }

    async fn chunk_info(&self, no: JobNo, kind: ChunkKind, attempt: u32) -> Result<ChunkInfo, StoreError> {
        self.shared.read(|db| chunks::info(db, no, kind, attempt))
    }

    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<Renewed>, StoreError> {
        let at = self.shared.clock.reading();
        let mut leases = self.shared.leases.lock();
        Ok(renewals.iter().map(|renewal| leases.renew(renewal, at)).collect())
    }

    async fn leases(&self, leases: Vec<LeaseRef>) -> Result<Vec<Renewed>, StoreError> {
        let at = self.shared.clock.reading();
        let kept = self.shared.leases.lock();
        Ok(leases.into_iter().map(|lease| kept.look(lease, at)).collect())
    }

    async fn overdue(&self, limit: usize) -> Result<Vec<Overrun>, StoreError> {
        Ok(self.shared.leases.lock().overdue(self.shared.clock.reading(), limit))
    }

    fn next_overdue(&self) -> Option<i64> {
        let at = self.shared.clock.reading();
        let next = self.shared.leases.lock().next_overdue_after(at.idle)?;
        // Nothing is judged before that.
        Some(if at.deaf() > 0 { next.max(at.ticks + at.deaf()) } else { next })
    }

    fn is_left_over(&self) -> bool {
        self.shared.left_over.load(Ordering::Acquire)
    }

    fn next_due(&self) -> Option<Timestamp> {
        Some(self.shared.next_due.load(Ordering::Acquire)).filter(|at| *at != NEVER).map(Timestamp)
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        Some(self.shared.next_expiry.load(Ordering::Acquire)).filter(|at| *at != NEVER).map(Timestamp)
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        let mut queues: Vec<QueueStats> = self.shared.queues.read().values().cloned().collect();
        queues.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let kinds = self.shared.read(|db| stats::kinds(db, &self.shared.names))?;
        let feed = self.shared.read(stats::feed)?;
        Ok(Stats { queues, kinds, feed })
    }

    async fn oldest_ready(&self) -> Result<Vec<(Name, Timestamp)>, StoreError> {
        let shared = self.shared.clone();
        aside(move || shared.read(|db| lines::oldest(db, &shared.names))).await
    }

    fn queue(&self, name: &Name) -> Option<QueueStats> {
        self.shared.queues.read().get(name).cloned()
    }

    fn cap_kind(&self, kind: &Name, concurrency: Option<u32>) {
        let number = self.shared.names.kinds.write().intern(kind);
        let mut caps = self.shared.kind_caps.write();
        match concurrency {
            Some(cap) => caps.insert(number, cap),
            None => caps.remove(&number),
        };
    }

    fn check(&self) -> Result<Box<dyn Checkup>, StoreError> {
        of_live(&self.shared).map_err(other)
    }

    fn missing_events(&self) -> u64 {
        self.shared.high_water.lock().missing()
    }

    fn refused_writes(&self) -> u64 {
        self.shared.refused_writes.load(Ordering::Relaxed)
    }

    async fn seek_orphans(&self, search: &mut OrphanSearch) -> Result<bool, StoreError> {
        self.health()?;
        // The files of jobs that are missing are all that is left of them.
        if self.missing_events() > 0 {
            return Ok(true);
        }
        search.step(&self.shared.blobs, &*self.shared, self.shared.clock.reading().served()).await
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
        match &*self.shared.stopped.read() {
            Some(why) => Err(StoreError::Stopped(why.clone())),
            None => Ok(()),
        }
    }

    async fn close(&self) {
        *self.shared.stopped.write() = Some("the store is closed".to_owned());
        self.requests.write().take();
        self.stop_checkpoints.ask();
        self.shared.close_readers();
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread of the store ended by a panic");
        }
        if let Some(lock) = self.lock.lock().take()
            // A process that is being started has a copy of the file for a moment, which would hold the lock.
            && let Err(error) = rustix::fs::flock(&lock, rustix::fs::FlockOperation::Unlock)
        {
            tracing::warn!(%error, "the lock of the data cannot be released");
        }
        if let Err(error) = self.shared.folder.release() {
            tracing::warn!(%error, "the lock of the large payloads cannot be released");
        }
    }

    fn worker(&self, lease: LeaseRef) -> Option<Box<str>> {
        self.shared.leases.lock().worker(lease)
    }

    fn own_workers(&self) -> Option<&str> {
        Some(&self.shared.own_workers)
    }

    fn space(&self) -> (Option<u64>, bool) {
        (Some(self.shared.space.free()), self.shared.space.is_low())
    }

    fn commit_times(&self) -> CommitTimes {
        self.shared.commit_clock.read()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn reads_aside_take_so_many_threads_and_no_more() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let (gates, reads): (Vec<_>, Vec<_>) = (0..3 * READS_ASIDE)
            .map(|_| {
                let (gate, opened) = channel::<()>();
                let read = aside(move || {
                    RUNNING.fetch_add(1, Ordering::SeqCst);
                    // Until the gate is dropped.
                    opened.recv().unwrap_err();
                    Ok(())
                });
                (gate, tokio::spawn(read))
            })
            .unzip();
        while RUNNING.load(Ordering::SeqCst) < READS_ASIDE {
            tokio::task::yield_now().await;
        }
        // Whatever else was handed to a thread is in one by now: they come in order.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert_eq!((RUNNING.load(Ordering::SeqCst), ASIDE.available_permits()), (READS_ASIDE, 0));
        drop(gates);
        for read in reads {
            read.await.unwrap().unwrap();
        }
        assert_eq!(RUNNING.load(Ordering::SeqCst), 3 * READS_ASIDE);
    }
}
