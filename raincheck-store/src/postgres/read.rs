use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use raincheck_core::{
    ChunkKind, Command, Content, Cursor, EventType, Job, JobId, JobNo, LeaseRef, Name, Object as NamedObject,
    ObjectKind, Reply, Timestamp,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::history::{BEGAN, IS_VOID};
use super::pool::Object;
use super::reader::{row, row_within};
use super::shared::{NEVER, Shared, Trouble};
use super::{PostgresStore, check, chunks, events, list, objects, reader, rows, trim};
use crate::blobs::Blobs;
use crate::records::{
    Chunk, ChunkInfo, Commit, EventFilter, EventPage, Figures, Filter, Found, JobPage, Most, Overrun, QueueFigures,
    Record, Renewal, Renewed, ResultInfo,
};
use crate::{Checkup, CommitTimes, OrphanSearch, Store, StoreError};

static RECORD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, {}, {}, {} FROM job j JOIN spec s ON s.no=j.no AND s.no >= {{low}} AND s.no < {{high}} \
         LEFT JOIN report p ON p.no=j.no AND p.no >= {{low}} AND p.no < {{high}} \
         LEFT JOIN result r ON r.no=j.no AND r.no >= {{low}} AND r.no < {{high}} WHERE j.no=$1",
        rows::JOB,
        rows::SPEC,
        rows::REPORT,
        rows::RESULT
    )
});
/// Results of some jobs: written so that no other way through the tables comes to mind.
static RESULTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT u.no, {} FROM unnest($1::bigint[]) AS u (no) CROSS JOIN LATERAL (SELECT * FROM result WHERE no = u.no \
         AND no >= {{low}} AND no < {{high}} AND EXISTS (SELECT FROM job WHERE no = u.no) LIMIT 1) r",
        rows::RESULT
    )
});
static JOB: LazyLock<String> = LazyLock::new(|| format!("SELECT {} FROM job j WHERE j.no=$1", rows::JOB));
const INPUT: &str = "SELECT content_type, filename, blob, size, input, (SELECT b.digest FROM blob b WHERE b.name=spec.blob) FROM spec \
    WHERE no=$1 AND no >= {low} AND no < {high} AND EXISTS (SELECT FROM job WHERE no=$1)";
const RESULT: &str = "SELECT content_type, filename, blob, size, bytes, digest FROM result \
    WHERE no=$1 AND no >= {low} AND no < {high} AND EXISTS (SELECT FROM job WHERE no=$1)";
const TOMBSTONE: &str = "SELECT id FROM tombstone WHERE no=$1 AND until IS NOT NULL";
const CHOSEN: &str = "SELECT no FROM claim WHERE scope=0 AND queue=0 AND key=$1";

/// What a look-up reads of a job.
trait Sight: Sized {
    async fn of(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Self>, Trouble>;
    fn id(&self) -> JobId;
}

impl Sight for Record {
    async fn of(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Self>, Trouble> {
        let Some(row) = row_within(db, shared, &RECORD, no, &[&no.0]).await? else { return Ok(None) };
        shared.learn(&***db, std::slice::from_ref(&row), rows::JOB_NAMES).await?;
        rows::record(&row, shared).map(Some)
    }

    fn id(&self) -> JobId {
        self.job.id
    }
}

impl Sight for Job {
    async fn of(db: &Object, shared: &Shared, no: JobNo) -> Result<Option<Self>, Trouble> {
        let Some(row) = row(db, &JOB, &[&no.0]).await? else { return Ok(None) };
        shared.learn(&***db, std::slice::from_ref(&row), rows::JOB_NAMES).await?;
        rows::job(&row, shared).map(Some)
    }

    fn id(&self) -> JobId {
        self.id
    }
}

/// The job of a public id.
async fn find<T: Sight>(db: &Object, shared: &Shared, id: JobId) -> Result<Found<T>, Trouble> {
    // An id of our own making says where its job is; only what is not there may be a chosen id.
    if let Some((no, _)) = id.parts() {
        match T::of(db, shared, no).await? {
            Some(found) if found.id() == id => return Ok(Found::Here(found)),
            Some(_) => {}
            None => {
                let buried = row(db, TOMBSTONE, &[&no.0]).await?;
                if buried.map(|row| row.try_get(0)).transpose()? == Some(id.0) {
                    return Ok(Found::Purged);
                }
            }
        }
    }
    let Some(claim) = row(db, CHOSEN, &[&&id.0.as_bytes()[..]]).await? else { return Ok(Found::Unknown) };
    Ok(T::of(db, shared, JobNo(claim.try_get(0)?)).await?.map_or(Found::Purged, Found::Here))
}

/// A payload row: input or result.
async fn content(db: &Object, shared: &Shared, sql: &str, no: JobNo) -> Result<Option<Content>, Trouble> {
    row_within(db, shared, sql, no, &[&no.0]).await?.as_ref().map(rows::content).transpose()
}

impl PostgresStore {
    /// A time of the clock that decides, on this node's own: whoever waits for it looks at that.
    fn by_own_clock(&self, at: i64) -> Option<Timestamp> {
        let ahead = self.shared.now().since(self.shared.clock.now());
        Some(at).filter(|at| *at != NEVER).map(|at| Timestamp(at.saturating_sub(ahead)))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn apply(&self, commands: Vec<Command>) -> Result<Vec<Reply>, StoreError> {
        self.shared.asked();
        self.hand_in(commands).await
    }

    fn commits(&self) -> UnboundedReceiver<Commit> {
        self.shared.feed.commits()
    }

    async fn job(&self, id: JobId) -> Result<Found<Record>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { find(&db, shared, id).await }).await
    }

    async fn job_row(&self, id: JobId) -> Result<Found<Job>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { find(&db, shared, id).await }).await
    }

    async fn record(&self, no: JobNo) -> Result<Option<Record>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { Record::of(&db, shared, no).await }).await
    }

    async fn is_purged(&self, no: JobNo) -> Result<bool, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { Ok(row(&db, TOMBSTONE, &[&no.0]).await?.is_some()) }).await
    }

    async fn input(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { content(&db, shared, INPUT, no).await }).await
    }

    async fn result(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { content(&db, shared, RESULT, no).await }).await
    }

    async fn results(&self, jobs: &[JobNo]) -> Result<Vec<Option<ResultInfo>>, StoreError> {
        let shared = &self.shared;
        let nos: &Vec<i64> = &jobs.iter().map(|no| no.0).collect();
        let sql = &shared.stretches.around_all(nos.iter().copied()).put_into(&RESULTS);
        let found = shared.read(|db| async move {
            let rows = reader::rows(&db, sql, &[nos]).await?;
            rows.iter()
                .map(|row| Ok((row.try_get::<_, i64>(0)?, rows::result(row, 1)?)))
                .collect::<Result<_, Trouble>>()
        });
        let found: HashMap<i64, Option<ResultInfo>> = if nos.is_empty() { HashMap::new() } else { found.await? };
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
        shared.read(|db| async move { Ok(row(&db, IS_VOID, &[&cursor.0]).await?.is_some_and(|row| row.get(0))) }).await
    }

    fn history(&self) -> i64 {
        self.shared.history.current()
    }

    async fn began_in(&self, lease: LeaseRef, history: i64) -> Result<bool, StoreError> {
        let shared = &self.shared;
        let (attempt, started) = (rows::count(lease.attempt), EventType::Started as i16);
        shared
            .read(|db| async move {
                let began =
                    row_within(&db, shared, BEGAN, lease.no, &[&lease.no.0, &attempt, &history, &started]).await?;
                Ok(began.map(|row| row.try_get::<_, Option<bool>>(0)).transpose()?.flatten().unwrap_or(false))
            })
            .await
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

    async fn feed_bounds(&self) -> Result<(Cursor, Cursor), StoreError> {
        let shared = &self.shared;
        shared.read(|db| async move { events::bounds(&db, shared).await }).await
    }

    async fn object(&self, kind: ObjectKind, name: &Name) -> Result<Option<NamedObject>, StoreError> {
        self.shared.read(|db| async move { objects::find(&db, kind, name).await }).await
    }

    async fn objects(
        &self,
        kind: ObjectKind,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<NamedObject>, StoreError> {
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
        self.renew_leases(renewals).await
    }

    async fn leases(&self, leases: Vec<LeaseRef>) -> Result<Vec<Renewed>, StoreError> {
        self.standing_leases(leases).await
    }

    async fn overdue(&self, limit: usize) -> Result<Vec<Overrun>, StoreError> {
        self.overdue_leases(limit).await
    }

    fn next_overdue(&self) -> Option<i64> {
        self.next_overdue_lease()
    }

    fn is_left_over(&self) -> bool {
        self.shared.left_over.load(Ordering::Acquire)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.by_own_clock(self.shared.next_due.load(Ordering::Acquire))
    }

    fn next_retirement(&self) -> Option<Timestamp> {
        self.by_own_clock(self.shared.next_retirement.load(Ordering::Acquire))
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        let feed = self.shared.read(|db| async move { trim::figures(&db).await }).await?;
        let book = self.shared.book.read();
        Ok(Figures { queues: book.all_queues(), kinds: book.all_kinds(), feed })
    }

    fn queue(&self, name: &Name) -> Option<QueueFigures> {
        self.shared.book.read().queue(name)
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
        search.step(&self.shared.blobs, &*self.shared, self.shared.clock.reading().served()).await
    }

    fn blobs(&self) -> &Blobs {
        &self.shared.blobs
    }

    fn secret(&self) -> [u8; 32] {
        self.shared.secret
    }

    fn now(&self) -> Timestamp {
        self.shared.now()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.shared.health()
    }

    async fn close(&self) {
        self.shut().await;
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
