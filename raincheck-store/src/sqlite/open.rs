use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use raincheck_core::interpreter::FollowUps;
use raincheck_core::{IdMint, JobNo, Timestamp, limits};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::{Connection, ErrorCode, OptionalExtension};
use tokio::sync::mpsc;

use super::check::is_damage;
use super::connection::{connect, is_too_old, migrate};
use super::disk::budget::Budget;
use super::disk::files;
use super::disk::high_water::{self, HighWater};
use super::disk::read_only;
use super::disk::space::{Measure, Space};
use super::disk::watch::Watch;
use super::error::{SqliteError, other};
use super::options::SqliteOptions;
use super::shared::{NEVER, Shared};
use super::store::SqliteStore;
use super::tables::follow_ups::is_left_over;
use super::tables::meta::{has_payloads, head, make_id, own_workers, secret, seen};
use super::tables::names::KnownNames;
use super::tables::rows;
use super::writer::counters::Counters;
use super::writer::due;
use super::writer::prepared::Statements;
use super::writer::reply_sender::ReplySender;
use super::writer::running::Running;
use super::writer::state::{Bounds, WriterState};
use super::{checkpoint, orphans};
use crate::StoreError;
use crate::blobs::{BlobFolder, BlobPlace, Refusal, owners};
use crate::columns::number::{RUNNING, STARTED};
use crate::rules::CIRCLE;
use crate::{clock, folder};

impl SqliteStore {
    /// Opens the data, bringing it to the present format, and starts the writer.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it, [`StoreError::Refused`] when it is another program's, a part of it is
    /// missing or the folder of large payloads is not its own, [`StoreError::TooNew`] when a newer program wrote it,
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
        read_only::check(&options.path)?;
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
        let failed = |trouble: SqliteError| match &trouble {
            _ if trouble.code() == Some(ErrorCode::OperationInterrupted) => damaged(&options.path, CIRCLE),
            SqliteError::Database(error) if is_damage(error) => damaged(&options.path, &error.to_string()),
            SqliteError::Unreadable(what) => damaged(&options.path, what),
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
    ) -> Result<Arc<Self>, SqliteError> {
        let secret = secret(&db)?;
        let names = KnownNames::load(&db)?;
        let own_workers = own_workers(&db)?;
        let counters = Counters::load(&db)?;
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let cursor = high_water.head();
        let (path, clock) = (options.path.clone(), options.clock.clone());
        let shared = Arc::new(Shared::new(path, clock, names, blobs, (secret, own_workers), high_water, space));
        shared.blobs.keep_free(options.reserve_bytes);
        let dropped: Option<i64> =
            db.query_row("SELECT value FROM meta WHERE name='last_dropped'", [], |row| row.get(0)).optional()?;
        let kept = number("SELECT max(no) FROM job")?.max(number("SELECT max(no) FROM tombstone")?);
        let last = kept.max(dropped).unwrap_or(0);
        shared.head.store(cursor, Ordering::Release);
        let seen = seen(&db)?;
        clock::say("this machine", shared.clock.now(), seen);
        shared.clock.go_on_from(seen);
        let due_at = number(due::NEXT_SCHEDULED)?;
        let start_by = number(due::NEXT_LATE)?;
        shared.next_due.store(due_at.into_iter().chain(start_by).min().unwrap_or(NEVER), Ordering::Release);
        let expiring = number("SELECT min(expires_at) FROM job WHERE expires_at IS NOT NULL")?;
        shared.next_expiry.store(expiring.unwrap_or(NEVER), Ordering::Release);
        shared.left_over.store(is_left_over(&db)?, Ordering::Release);
        for id in counters.queues.keys() {
            if let Some(name) = shared.names.queue_name(*id) {
                shared.queues.write().insert(name.clone(), counters.show(*id, name));
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
        let (shared_too, replies) = (shared.clone(), ReplySender::new());
        let write = move || {
            let writer = WriterState {
                db: &db,
                statements: Statements::new(&db),
                running: Running::default(),
                shared: shared_too,
                counters,
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
                replies,
            };
            writer.run(receiver);
        };
        let stop_checkpoints = Arc::new(checkpoint::Stop::default());
        let checkpoints = checkpoint::Checkpointer::new(shared.clone(), stop_checkpoints.clone())?;
        let watch = Watch::begin(&options.path).map_err(SqliteError::unsuitable)?;
        shared.watch_over(watch);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(work).map_err(SqliteError::unsuitable)
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

/// Every running lease gets its full length again: downtime is not the worker's fault. But what the server's own workers
/// ran died with it, and is settled once nothing of it can be left.
fn resume_leases(db: &Connection, shared: &Shared) -> Result<(), SqliteError> {
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
        let job = rows::job(row, &shared.names)?;
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
