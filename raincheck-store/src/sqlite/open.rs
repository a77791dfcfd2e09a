use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use raincheck_core::interpreter::{FollowUps, Following};
use raincheck_core::{Clock, FeedRetention, IdMint, JobNo, Millis, SteadyClock, Timestamp, limits};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::mpsc;

use super::answers::Postman;
use super::budget::Budget;
use super::check::is_damage;
use super::figures::FiguresBook;
use super::follow::is_left_over;
use super::high_water::{self, HighWater};
use super::kept::Statements;
use super::running::Running;
use super::shared::{NEVER, Shared, keep_plans, other};
use super::space::{Measure, Space};
use super::tables::Tables;
use super::trouble::Trouble;
use super::watch::Watch;
use super::writer::{BUSY, Bounds, Writer};
use super::{SqliteStore, checkpoint, files, orphans, rows, sweep};
use crate::StoreError;
use crate::blobs::{BlobFolder, BlobPlace, Refusal, StoreId, owners};
use crate::columns::number::{RUNNING, STARTED};
use crate::rules::CIRCLE;
use crate::{clock, folder};

mod migrations {
    refinery::embed_migrations!("src/sqlite/migrations");
}

/// What SQLite calls `synchronous = FULL`.
const FULL: i64 = 2;

/// How to open a [`SqliteStore`].
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file; made if it is not there.
    pub path: PathBuf,
    /// The folder of large payloads; made if it is not there.
    pub blobs: PathBuf,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Seed of the randomness; `None` takes the system's.
    pub seed: Option<u64>,
    /// Most waiting jobs of a queue that says nothing else.
    pub max_queued: u64,
    /// Most waiting jobs in all.
    pub max_in_all: u64,
    /// How long purged jobs are remembered, milliseconds.
    pub tombstone: Millis,
    /// How much of the feed stays when its jobs are forgotten.
    pub feed: FeedRetention,
    /// Submits are refused while less than this is free on the disk, bytes: what is left serves everything else.
    pub reserve_bytes: u64,
    /// How it deals with follow-ups: for tests.
    #[doc(hidden)]
    pub following: Following,
    /// Sync every transaction to disk before it is answered. Off is for tests that show what that costs.
    pub durable: bool,
}

impl SqliteOptions {
    /// `raincheck.db` and `blobs/` in `folder`, all else by default.
    pub fn in_folder(folder: &Path) -> Self {
        SqliteOptions {
            path: folder.join("raincheck.db"),
            blobs: folder.join("blobs"),
            clock: Arc::new(SteadyClock::default()),
            seed: None,
            max_queued: limits::QUEUED_PER_QUEUE,
            max_in_all: limits::QUEUED_IN_ALL,
            tombstone: limits::TOMBSTONE_MILLIS,
            feed: FeedRetention::default(),
            reserve_bytes: limits::DISK_RESERVE_BYTES,
            following: Following::default(),
            durable: true,
        }
    }
}

impl SqliteStore {
    /// Opens the data, bringing it to the present format, and starts the writer.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it, [`StoreError::Refused`] when a part of it is missing or the folder of
    /// large payloads is not its own, [`StoreError::TooNew`] when a newer program wrote it,
    /// [`StoreError::TooOld`] for a SQLite with a known corruption bug.
    pub fn open(options: SqliteOptions) -> Result<Arc<Self>, StoreError> {
        Self::open_on(options, None)
    }

    /// The same, with something else that tells what is free than the disk.
    pub(super) fn open_on(mut options: SqliteOptions, measure: Option<Measure>) -> Result<Arc<Self>, StoreError> {
        if is_too_old() {
            return Err(StoreError::TooOld(rusqlite::version().to_owned()));
        }
        options.path = files::real(&options.path);
        files::in_folder(&options.path)?;
        let folder = folder::above(&options.path);
        folder::make(folder).map_err(|e| StoreError::Other(format!("cannot make {}: {e}", folder.display())))?;
        let lock = lock(&options.path)?;
        files::prepare(&options)?;
        let mut db = connect(&options).map_err(other)?;
        migrate(&mut db)?;
        let id = make_id(&db).map_err(other)?;
        let place = BlobPlace::from(&options.blobs);
        let unusable = |error| place.unusable(&error);
        if owners(&options.blobs).map_err(unusable)?.is_empty() && has_payloads(&db).map_err(other)? {
            return Err(place.unusable(&Refusal::elsewhere(&place).into()));
        }
        let blobs =
            BlobFolder::open(&options.blobs, id).map_err(|error| BlobPlace::from(&options.blobs).unusable(&error))?;
        let failed = |trouble: Trouble| match &trouble {
            _ if trouble.code() == Some(ErrorCode::OperationInterrupted) => damaged(&options.path, CIRCLE),
            Trouble::Database(error) if is_damage(error) => damaged(&options.path, &error.to_string()),
            Trouble::Unreadable(what) => damaged(&options.path, what),
            _ => other(trouble),
        };
        let budget = Budget::of(&mut db).map_err(other)?;
        let mut high_water = HighWater::open(&options.path, options.durable).map_err(|e| {
            StoreError::Other(format!("cannot write {}: {e}", high_water::path(&options.path).display()))
        })?;
        head(&db).and_then(|head| high_water.begin(&db, head)).map_err(|error| failed(error.into()))?;
        orphans::take_back(&db, &blobs)?;
        // The files of jobs that are missing are all that is left of them.
        if high_water.missing() == 0 {
            orphans::sweep(&db, &blobs)?;
        }
        let folder = blobs.clone();
        let measure = measure.unwrap_or_else(|| Box::new(move || folder.free_bytes()));
        let space = Space::new(measure, options.reserve_bytes);
        Self::start(db, blobs, (lock, high_water, budget, space), &options).map_err(failed)
    }

    fn start(
        mut db: Connection,
        blobs: BlobFolder,
        (lock, high_water, budget, space): (File, HighWater, Budget, Space),
        options: &SqliteOptions,
    ) -> Result<Arc<Self>, Trouble> {
        let secret = secret(&db)?;
        let tables = Tables::load(&db)?;
        let own_workers = own_workers(&db)?;
        let book = FiguresBook::load(&db)?;
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let cursor = high_water.head();
        let (path, clock) = (options.path.clone(), options.clock.clone());
        let shared = Arc::new(Shared::new(path, clock, tables, blobs, (secret, own_workers), high_water, space));
        shared.blobs.keep_free(options.reserve_bytes);
        let buried: Option<i64> =
            db.query_row("SELECT value FROM meta WHERE name='last_buried'", [], |row| row.get(0)).optional()?;
        let kept = number("SELECT max(no) FROM job")?.max(number("SELECT max(no) FROM tombstone")?);
        let last = kept.max(buried).unwrap_or(0);
        shared.head.store(cursor, Ordering::Release);
        let seen = seen(&db)?;
        clock::say("this machine", shared.clock.now(), seen);
        shared.clock.go_on_from(seen);
        let due = number(sweep::NEXT_SCHEDULED)?;
        let start_by = number(sweep::NEXT_LATE)?;
        shared.next_due.store(due.into_iter().chain(start_by).min().unwrap_or(NEVER), Ordering::Release);
        let expiring = number("SELECT min(expires_at) FROM job WHERE expires_at IS NOT NULL")?;
        shared.next_retirement.store(expiring.unwrap_or(NEVER), Ordering::Release);
        shared.left_over.store(is_left_over(&db)?, Ordering::Release);
        for id in book.queues.keys() {
            if let Some(name) = shared.tables.queue_name(*id) {
                shared.queues.write().insert(name.clone(), book.show(*id, name));
            }
        }
        resume_leases(&db, &shared)?;
        budget.lift(&mut db)?;

        let (sender, receiver) = mpsc::unbounded_channel();
        let rng = options.seed.map_or_else(|| rand::make_rng(), StdRng::seed_from_u64);
        let bounds = Bounds {
            max_queued: options.max_queued,
            max_in_all: options.max_in_all,
            tombstone: options.tombstone,
            feed: options.feed,
        };
        let following = options.following;
        let (shared_too, postman) = (shared.clone(), Postman::new());
        let write = move || {
            let writer = Writer {
                db: &db,
                kept: Statements::new(&db),
                running: Running::default(),
                shared: shared_too,
                book,
                mint: IdMint::after(JobNo(last)),
                rng,
                tick: last >> 15,
                bounds,
                cursor,
                events: Vec::new(),
                chunks: Vec::new(),
                leases: Vec::new(),
                follow_ups: FollowUps::new(following),
                inputs: 0,
                log_held: 0,
                swept: false,
                forgotten: Vec::new(),
                forgot: false,
                found_none: None,
                postman,
            };
            writer.run(receiver);
        };
        let stop_checkpoints = Arc::new(checkpoint::Stop::default());
        let checkpoints = checkpoint::Checkpointer::new(shared.clone(), stop_checkpoints.clone())?;
        let watch = Watch::begin(&options.path).map_err(Trouble::unsuitable)?;
        shared.watch_over(watch);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Trouble::unsuitable)
        };
        let threads = vec![
            spawn("store-writer", Box::new(write))?,
            spawn("store-checkpoint", Box::new(move || checkpoints.run()))?,
        ];
        Ok(Arc::new(SqliteStore {
            shared,
            requests: RwLock::new(Some(sender)),
            threads: Mutex::new(threads),
            stop_checkpoints,
            lock: Mutex::new(Some(lock)),
        }))
    }
}

fn damaged(path: &Path, why: &str) -> StoreError {
    StoreError::Other(format!("{} is damaged: {why}; see `raincheck doctor`", path.display()))
}

/// Whether this SQLite has a known corruption bug.
pub(super) fn is_too_old() -> bool {
    rusqlite::version_number() < 3_051_003
}

/// How often, and how long apart, the lock of a database is tried.
const LOCK_TRIES: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

fn lock(path: &Path) -> Result<File, StoreError> {
    let name = files::lock_of(path);
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&name);
    let file = file.map_err(|e| StoreError::Other(format!("cannot open {}: {e}", name.display())))?;
    // A process that was being started when the last holder ended has the lock, too, until it runs its own program.
    for _ in 0..LOCK_TRIES {
        if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(file);
        }
        thread::sleep(LOCK_PAUSE);
    }
    Err(StoreError::InUse(path.display().to_string()))
}

fn connect(options: &SqliteOptions) -> Result<Connection, Trouble> {
    let db = Connection::open(&options.path)?;
    db.set_prepared_statement_cache_capacity(128);
    keep_plans(&db)?;
    db.busy_timeout(BUSY)?;
    db.execute_batch("PRAGMA page_size = 4096; PRAGMA foreign_keys = OFF;")?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    // Folding the log back belongs to the checkpointer; the writer steps in only when that cannot keep up.
    db.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;")?;
    db.execute_batch(if options.durable { "PRAGMA synchronous = FULL;" } else { "PRAGMA synchronous = NORMAL;" })?;
    // SQLite goes on without a word where a file system can't do what was asked; what is promised rests on it.
    let synchronous: i64 = db.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if mode != "wal" || (options.durable && synchronous != FULL) {
        let what = format!("the file system does not allow a write-ahead log that is synced: {mode}, {synchronous}");
        return Err(Trouble::Unsuitable(what));
    }
    Ok(db)
}

/// The format of the data, 0 when it has none yet, and the newest that this program knows.
pub(super) fn formats(db: &Connection) -> (i64, i64) {
    let known = migrations::migrations::runner().get_migrations().iter().map(|m| i64::from(m.version())).max();
    let found =
        db.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get::<_, Option<i64>>(0));
    (found.ok().flatten().unwrap_or(0), known.unwrap_or(0))
}

fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let (found, known) = formats(db);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    migrations::migrations::runner().run(db).map(|_| ()).map_err(|e| StoreError::Other(format!("migration: {e}")))
}

fn secret(db: &Connection) -> Result<[u8; 32], Trouble> {
    let kept = db.query_row("SELECT value FROM meta WHERE name='secret'", [], |row| row.get(0)).optional()?;
    if let Some(secret) = kept {
        return Ok(secret);
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(Trouble::unsuitable)?;
    db.execute("INSERT INTO meta VALUES ('secret', ?1)", params![secret])?;
    Ok(secret)
}

/// The id that the store's payloads are marked with; `None` before it was first opened.
pub(crate) fn id(db: &Connection) -> rusqlite::Result<Option<StoreId>> {
    let id = db.query_row("SELECT value FROM meta WHERE name='id'", [], |row| row.get(0)).optional()?;
    Ok(id.map(StoreId))
}

/// Whether some job has a large payload.
pub(super) fn has_payloads(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM blob)", [], |row| row.get(0))
}

fn make_id(db: &Connection) -> rusqlite::Result<StoreId> {
    if let Some(id) = id(db)? {
        return Ok(id);
    }
    let fresh = StoreId::fresh();
    db.execute("INSERT INTO meta VALUES ('id', ?1)", params![fresh.0])?;
    Ok(fresh)
}

/// The last event of the feed, here or removed by retention.
pub(super) fn head(db: &Connection) -> rusqlite::Result<i64> {
    let last: Option<i64> = db.query_row("SELECT max(cursor) FROM event", [], |row| row.get(0))?;
    Ok(last.max(floor(db)?).unwrap_or(0))
}

/// What names of workers that live and die with the server of this data end in: nobody else calls himself so.
fn own_workers(db: &Connection) -> Result<Box<str>, Trouble> {
    let kept = db.query_row("SELECT value FROM meta WHERE name='own_workers'", [], |row| row.get(0)).optional()?;
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(Trouble::unsuitable)?;
    let fresh = format!("@{:08x}", u32::from_le_bytes(random));
    db.execute("INSERT INTO meta VALUES ('own_workers', ?1)", params![fresh])?;
    Ok(fresh.into())
}

/// The latest time that the data tells of.
pub(super) fn seen(db: &Connection) -> rusqlite::Result<Timestamp> {
    let last = "SELECT at FROM event ORDER BY cursor DESC LIMIT 1";
    let told: Option<i64> = db.query_row(last, [], |row| row.get(0)).optional()?;
    let newest: Option<i64> = db.query_row("SELECT max(no) FROM job", [], |row| row.get(0))?;
    Ok(Timestamp(told.max(newest.map(|no| no >> 15)).unwrap_or(0)))
}

/// The highest cursor that retention has removed.
pub(super) fn floor(db: &Connection) -> rusqlite::Result<Option<i64>> {
    db.query_row("SELECT value FROM meta WHERE name='feed_floor'", [], |row| row.get(0)).optional()
}

/// Every running lease gets its full length again: downtime is not the worker's fault. But what the server's own workers
/// ran died with it, and is settled once nothing of it can be left.
fn resume_leases(db: &Connection, shared: &Shared) -> Result<(), Trouble> {
    let sql = format!(
        "SELECT {}, (SELECT e.data ->> 'worker' FROM event e WHERE e.no=j.no AND e.type={STARTED} AND e.attempt=j.attempt) \
         FROM job j WHERE j.state={RUNNING}",
        rows::JOB
    );
    let (now, at) = (shared.clock.now(), shared.clock.reading());
    let mut statement = db.prepare(&sql)?;
    let mut running = statement.query([])?;
    let mut leases = shared.leases.lock();
    while let Some(row) = running.next()? {
        let job = rows::job(row, &shared.tables)?;
        let worker: Option<Box<str>> = row.get(rows::JOB_COLUMNS)?;
        let elapsed = now.since(job.started_at.unwrap_or(Timestamp(now.0))).max(0);
        let worker = worker.unwrap_or_default();
        let died = worker.ends_with(&*shared.own_workers);
        leases.start(&job, worker, at, elapsed);
        if died {
            leases.extend_to(job.lease_ref(), job.ttl, at.served() + limits::OWN_RUNS_END_MILLIS.min(job.ttl));
        }
    }
    Ok(())
}
