//! What submits may take of the disk: nothing of the reserve, which is for everything else.
//!
//! The free space is looked at with each checkpoint. In between, one transaction alone may be larger than what is left, so
//! each submit is counted before it is written: what it takes in the log, and in the database when the log is folded back.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use raincheck_core::{Command, NewJob};

/// Tells how many bytes are free.
pub(crate) type Measure = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// About what a job takes besides its texts, with the pages of indexes that it changes, bytes.
const JOB: u64 = 8 << 10;
/// The same of a transaction, whatever is in it.
const TRANSACTION: u64 = 64 << 10;

/// The space, as of the last look, and what was promised of it since.
pub(crate) struct Space {
    measure: Measure,
    reserve: u64,
    free: AtomicU64,
    low: AtomicBool,
    promised: Mutex<Promised>,
}

/// Bytes of submits.
#[derive(Default)]
struct Promised {
    /// What others may take.
    left: u64,
    /// Of the transaction that is being written: the log grows by as much, and the database later.
    writing: u64,
    /// Written into the log ever.
    logged: u64,
    /// Of that, what was folded back: the database grows by the rest.
    folded: u64,
}

impl Space {
    pub fn new(measure: Measure, reserve: u64) -> Self {
        let space = Space {
            measure,
            reserve,
            free: AtomicU64::new(u64::MAX),
            low: AtomicBool::new(false),
            promised: Mutex::default(),
        };
        space.look();
        space
    }

    /// Bytes that were free at the last look.
    pub fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Whether those were less than the reserve.
    pub fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Looks at what is free.
    pub fn look(&self) {
        self.measure(&mut self.promised.lock());
    }

    fn measure(&self, promised: &mut Promised) {
        match (self.measure)() {
            Ok(free) => {
                self.free.store(free, Ordering::Relaxed);
                let low = free < self.reserve;
                if self.low.swap(low, Ordering::Relaxed) != low {
                    tracing::warn!(free, low, "free space crossed the reserve; submits are refused while it is low");
                }
                // What is being written may not be seen yet, and takes its space twice.
                let coming = 2 * promised.writing + promised.logged - promised.folded;
                let kept = self.reserve.saturating_add(coming);
                promised.left = free.saturating_sub(kept);
            }
            Err(error) => {
                tracing::warn!(%error, "the free space cannot be read; submits are taken as if there were enough");
                promised.left = u64::MAX;
            }
        }
    }

    /// Whether there is space for what `commands` submit; it is theirs then.
    pub fn takes(&self, commands: &[Command]) -> bool {
        let bytes: u64 = commands.iter().map(growth).sum();
        if bytes == 0 {
            return true;
        }
        let mut promised = self.promised.lock();
        let bytes = if promised.writing == 0 { bytes + TRANSACTION } else { bytes };
        if promised.left < 2 * bytes {
            self.measure(&mut promised);
        }
        let Some(left) = promised.left.checked_sub(2 * bytes) else { return false };
        promised.left = left;
        promised.writing += bytes;
        true
    }

    /// What was promised is in the log, or was given up.
    pub fn written(&self) {
        let mut promised = self.promised.lock();
        promised.logged += std::mem::take(&mut promised.writing);
    }

    /// How much went into the log so far.
    pub fn logged(&self) -> u64 {
        self.promised.lock().logged
    }

    /// So much of what ever went into the log is in the database now.
    pub fn folded(&self, logged: u64) {
        let mut promised = self.promised.lock();
        promised.folded = promised.folded.max(logged);
    }
}

fn growth(command: &Command) -> u64 {
    command.new_jobs().iter().map(size).sum()
}

fn size(job: &NewJob) -> u64 {
    JOB + job.spec.stored_bytes() as u64
}

#[cfg(test)]
mod tests {
    use std::fs;

    use raincheck_core::{Content, Payload, Reply, Settle};

    use super::*;
    use crate::conformance::{KIND, complete, new_job, worker_asks};
    use crate::sqlite::{SqliteOptions, SqliteStore};
    use crate::{Store as _, StoreError};

    const DISK: u64 = 24 << 20;
    const RESERVE: u64 = 8 << 20;

    #[test]
    fn what_is_being_written_takes_its_space_twice() {
        let space = Space::new(Box::new(|| Ok(DISK)), RESERVE);
        let submit = [Command::Submit(vec![new_job()])];
        let writing = || space.promised.lock().writing;
        while space.takes(&submit) {
            assert!(writing() <= DISK, "more than there is");
        }
        let writing = writing();
        assert!(writing > 0 && RESERVE + 2 * writing <= DISK, "{writing} of {DISK}, in the log and in the database");
    }

    #[tokio::test]
    async fn small_inputs_leave_the_reserve_and_runs_end_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let free = move || {
            let files = ["raincheck.db", "raincheck.db-wal"];
            let used: u64 = files.iter().map(|file| fs::metadata(path.join(file)).map_or(0, |file| file.len())).sum();
            DISK.saturating_sub(used)
        };
        let measured = free.clone();
        let options = SqliteOptions { reserve_bytes: RESERVE, ..SqliteOptions::in_folder(folder.path()) };
        let store = SqliteStore::open_on(options, Some(Box::new(move || Ok(measured())))).unwrap();
        let input = bytes::Bytes::from(vec![7; 60 << 10]);
        // Four times what the disk has, as one burst: no checkpoint comes between most of them.
        let submits = (0..1_600).map(|_| {
            let mut new = new_job();
            new.spec.input = Content { payload: Payload::Inline(input.clone()), ..Content::default() };
            store.apply(vec![Command::Submit(vec![new])])
        });
        let (mut taken, mut refused) = (0, 0);
        for answer in futures_util::future::join_all(submits).await {
            match answer {
                Ok(_) => taken += 1,
                Err(StoreError::NoSpace) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(taken > 0 && refused > 0, "{taken} {refused}");
        assert!(free() >= RESERVE, "{taken} inputs left {} bytes", free());
        let mut leased = store.apply(vec![Command::Lease(worker_asks(&[KIND], 1))]).await.unwrap();
        let Some(Reply::Leased(leased)) = leased.pop() else { panic!("nothing is handed out") };
        let end = Settle { lease: leased[0].0.lease_ref(), outcome: complete("done") };
        store.apply(vec![Command::Settle(end)]).await.unwrap();
        store.close().await;
        assert!(free() >= RESERVE, "{taken} inputs left {} bytes when all was folded back", free());
    }
}
