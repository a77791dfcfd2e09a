//! The writer's connection: made anew where it was lost, once what was under way on it has ended.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::task::Writer;
use crate::postgres::connection::db::Db;
use crate::postgres::connection::timeouts::{PAUSE, answered};
use crate::postgres::error::PgError;
use crate::postgres::locks::{BATCH_LOCK, end_holders};

/// Silence of the database that is no fault of the workers'.
const OUTAGE: Duration = Duration::from_secs(1);

const CONFIRM: &str = "INSERT INTO meta (name, number) VALUES ('confirmed', 1) \
    ON CONFLICT (name) DO UPDATE SET number = meta.number + 1";

impl Writer {
    /// The connection, a new one where the old one has ended. What was under way on that has ended too.
    pub(crate) async fn connected(&mut self, until: Instant) -> Result<Db, PgError> {
        if let Some(db) = self.db.take().filter(|db| !db.is_closed()) {
            return Ok(db);
        }
        let open = self.open;
        let reached = async {
            let db = Db::new(answered(until, self.connector.link()).await?);
            let asked = async {
                self.shared.meet(db.client()).await?;
                match open {
                    Some(number) => Ok(Some(was_committed(&db, number).await?)),
                    None => Ok(None),
                }
            };
            match answered(until, asked).await {
                Ok(committed) => Ok((db, committed)),
                Err(error) => {
                    // What it waits for there may last.
                    db.withdraw();
                    Err(error)
                }
            }
        };
        match reached.await {
            Ok((db, committed)) => {
                if open.is_some() {
                    (self.open, self.committed) = (None, committed);
                    // Where nobody waited for that any more, it is published as if another node had written it.
                    self.shared.feed.behind.notify_one();
                }
                if let Some(since) = self.lost_since.take()
                    && since.elapsed() >= OUTAGE
                {
                    self.shared.regained.store(self.shared.clock.lease_now(), Ordering::Release);
                    tracing::info!(seconds = since.elapsed().as_secs(), "the database is reached again");
                }
                Ok(db)
            }
            Err(error) => {
                self.lose(&error);
                Err(error)
            }
        }
    }

    pub(crate) fn lose(&mut self, error: &PgError) {
        if self.lost_since.is_none() {
            self.lost_since = Some(Instant::now());
            self.state.scan_starts.forget();
            tracing::warn!(trouble = %error, "the database is lost");
        }
        self.shared.lose(error);
    }

    /// Gives up a connection with what is under way on it.
    pub(crate) fn give_up(&mut self, db: Db, number: Option<i64>, error: &PgError) {
        self.lose(error);
        self.open = number;
        db.withdraw();
    }

    /// Whether the transaction that was given up was committed. `None` when the database cannot be asked until then.
    pub(crate) async fn what_became_of(&mut self, until: Instant) -> Option<bool> {
        loop {
            match self.connected(until).await {
                Ok(db) => {
                    self.db = Some(db);
                    return self.committed.take();
                }
                Err(_) if Instant::now() + PAUSE < until => tokio::time::sleep(PAUSE).await,
                Err(_) => return None,
            }
        }
    }
}

/// Sees to it that a transaction has ended, and answers whether it was committed: who gets its lock knows that it has
/// ended, and if it was committed its row stands in the feed. One that is still under way is ended: nobody is left to end
/// it, and what is written from now on must not come before it.
async fn was_committed(db: &Db, number: i64) -> Result<bool, PgError> {
    let lock = (number % 2_147_483_647).to_string();
    db.run(&end_holders(BATCH_LOCK, &lock)).await?;
    db.run(&format!("BEGIN; SELECT pg_advisory_xact_lock({BATCH_LOCK}, {lock})")).await?;
    let is_there = !db.query("SELECT FROM feed WHERE batch = $1", &[&number]).await?.is_empty();
    // One whose wait for a standby was cut short is here, and maybe not there. What is committed after it is on the
    // standby only after it.
    if is_there {
        db.run(CONFIRM).await?;
    }
    db.commit().await?;
    Ok(is_there)
}
