use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::shared::Shared;

/// Least time between two checkpoints.
const EVERY: Duration = Duration::from_millis(50);
/// How often the free space is looked at while nothing is written; it is looked at with each checkpoint besides.
const SPACE_EVERY: Duration = Duration::from_secs(1);

/// Tells the checkpointer to end.
#[derive(Default)]
pub(super) struct Stop {
    asked: Mutex<bool>,
    bell: Condvar,
}

impl Stop {
    pub fn ask(&self) {
        *self.asked.lock() = true;
        self.bell.notify_all();
    }

    /// Waits; answers whether to end.
    fn wait(&self, time: Duration) -> bool {
        let mut asked = self.asked.lock();
        if !*asked {
            self.bell.wait_for(&mut asked, time);
        }
        *asked
    }
}

/// Folds the write-ahead log back into the database on a connection of its own, so that no commit waits for it,
/// follows the feed with its high-water mark, and watches the free space.
pub(super) struct Checkpointer {
    db: Connection,
    shared: Arc<Shared>,
    stop: Arc<Stop>,
}

impl Checkpointer {
    pub fn new(shared: Arc<Shared>, stop: Arc<Stop>) -> rusqlite::Result<Self> {
        let db = Connection::open(&shared.path)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; PRAGMA cache_size = -512;")?;
        Ok(Checkpointer { db, shared, stop })
    }

    /// Looks until it is asked to end. Where something was written since the look before:
    ///
    /// 1. Say how far the feed has come, before what that rests on is touched.
    /// 2. Fold the log back.
    /// 3. Look whether the files are still there.
    /// 4. Measure the free space: a busy server fills what is left within a second.
    ///
    /// Where nothing was written, 3 and 4 alone, once a second.
    pub fn run(self) {
        let mut seen = u64::MAX;
        let mut since_space = Duration::ZERO;
        loop {
            let transactions = self.shared.transactions.load(Ordering::Relaxed);
            // Idle costs four looks at a counter a second.
            let pause = if transactions == seen { 5 * EVERY } else { EVERY };
            if self.stop.wait(pause) {
                return;
            }
            since_space += pause;
            if transactions != seen {
                // 1. The mark; at the start nothing was written yet.
                if transactions > 0 {
                    self.raise_mark();
                }
                // 2. The log.
                self.fold();
            } else if since_space >= SPACE_EVERY {
                since_space = Duration::ZERO;
            } else {
                continue;
            }
            seen = transactions;
            // 3. The files. Where only the log went, what is in it is saved so.
            if self.shared.look_after() {
                self.fold();
            }
            // 4. The space.
            self.shared.space.look();
        }
    }

    /// Raises the high-water mark. The last commit has synced all that it says.
    fn raise_mark(&self) {
        self.shared.high_water.lock().reach(self.shared.head.load(Ordering::Acquire));
    }

    fn fold(&self) {
        let logged = self.shared.space.logged();
        let pages = self
            .db
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
        match pages {
            Ok((pages, folded)) => {
                self.shared.wal_pages.store(pages, Ordering::Relaxed);
                if pages == folded {
                    self.shared.space.folded(logged);
                }
            }
            Err(error) => tracing::warn!(%error, "a checkpoint failed; the log grows until one succeeds"),
        }
    }
}
