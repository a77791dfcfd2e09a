//! Fills a data folder before its server starts: by the store itself, in this process, without a sync for every
//! batch. Nothing of this is measured, and what it leaves is what a server would have left.

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use raincheck_core::{
    Clock, Command, Content, LeaseJobs, LeaseRef, Millis, Name, NewJob, Outcome, Payload, Reply, Settle, State,
    SystemClock, Timestamp,
};
use raincheck_store::{SqliteOptions, SqliteStore, Store};
use rustix::fs::{Advice, fadvise};
use tokio::task::JoinSet;

use super::broken::broken;
use crate::cli::exit::Failure;

const BATCH: usize = 1_000;
/// Batches made while others are written.
const TASKS: usize = 3;
const LATER: Millis = 30 * 24 * 3_600_000;

/// What to fill it with.
#[derive(Clone, Copy, Debug)]
pub enum Jobs {
    /// Ready to be leased.
    Waiting,
    /// Of the highest priority, not to be started for a month.
    Later,
    /// Succeeded so long ago.
    Finished {
        /// When.
        ago: Duration,
    },
}

/// The wall clock of some time ago.
struct Ago(SystemClock, Millis);

impl Clock for Ago {
    fn now(&self) -> Timestamp {
        self.0.now().plus(-self.1)
    }

    fn ticks(&self) -> Millis {
        self.0.ticks()
    }
}

/// Fills the data of a server that is to be started in `folder`.
pub async fn fill(folder: &Path, count: usize, jobs: Jobs) -> Result<(), Failure> {
    let ago = match jobs {
        Jobs::Finished { ago } => Millis::try_from(ago.as_millis()).map_err(broken)?,
        Jobs::Waiting | Jobs::Later => 0,
    };
    let clock = Arc::new(Ago(SystemClock::default(), ago));
    let many = u64::MAX / 2;
    let options = SqliteOptions {
        clock: clock.clone(),
        durable: false,
        max_queued: many,
        max_in_all: many,
        ..SqliteOptions::in_folder(&folder.join("data"))
    };
    let store = SqliteStore::open(options).map_err(broken)?;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, now) = (store.clone(), clock.now());
        let share = count / TASKS + usize::from(task < count % TASKS);
        tasks.spawn(async move { some(&store, share, jobs, now).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(broken)??;
    }
    let stats = store.stats().await.map_err(broken)?;
    store.close().await;
    let state = match jobs {
        Jobs::Waiting => State::Queued,
        Jobs::Later => State::Scheduled,
        Jobs::Finished { .. } => State::Succeeded,
    };
    let there: u64 = stats.kinds.iter().map(|kind| kind.by_state[state as usize]).sum();
    if there == count as u64 { Ok(()) } else { Err(broken(format!("{there} of {count} jobs were preloaded"))) }
}

async fn some(store: &SqliteStore, count: usize, jobs: Jobs, now: Timestamp) -> Result<(), Failure> {
    let (queue, kind) = (Name::new("default").map_err(broken)?, Name::new("bench").map_err(broken)?);
    let mut new = NewJob::new(queue, kind.clone());
    new.spec.input = json(&super::server::input());
    if let Jobs::Later = jobs {
        (new.priority, new.run_at) = (100, Some(now.plus(LATER)));
    }
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        left -= batch;
        let mut commands = vec![Command::Submit(vec![new.clone(); batch])];
        if let Jobs::Finished { .. } = jobs {
            // Leases come last in a transaction, so that they find what was submitted in it.
            let worker = "bench".into();
            let kinds = vec![kind.clone()];
            commands.push(Command::Lease(LeaseJobs {
                worker,
                queues: Vec::new(),
                kinds,
                patterns: Vec::new(),
                max: batch,
                ttl: 3_600_000,
                request_id: None,
            }));
        }
        let mut replies = store.apply(commands).await.map_err(broken)?;
        if let Some(Reply::Refused(_, why)) = replies.first() {
            return Err(broken(format!("a preloaded job was refused: {why:?}")));
        }
        if let Some(Reply::Leased(leased)) = replies.pop() {
            let settle = |no, attempt| {
                let outcome = Outcome::Complete(json("{\"ok\":true}"));
                Command::Settle(Settle { lease: LeaseRef { no, attempt }, outcome })
            };
            let settles = leased.iter().map(|(job, _)| settle(job.no, job.attempt)).collect();
            store.apply(settles).await.map_err(broken)?;
        }
    }
    Ok(())
}

/// A JSON payload.
pub fn json(text: &str) -> Content {
    let payload = Payload::Inline(Bytes::copy_from_slice(text.as_bytes()));
    Content { payload, ..Content::default() }
}

/// Makes the system forget what it has cached of the data in `folder`: what stays cached is charged to whoever read
/// or wrote it, and a server with bounded memory would use it for nothing.
pub fn forget(folder: &Path) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder.join("data"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let file = File::open(entry.path())?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed).map_err(broken)?;
        }
    }
    Ok(())
}
