//! Forgets names that nothing refers to, when there is no room for another one: their bound is one of those in use.
//!
//! Every node keeps names and their numbers. So a round in which some are forgotten has a number, which every transaction
//! of a writer reads at its beginning: one that knows another is begun anew, with the names read again.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use futures_util::try_join;
use tokio_postgres::GenericClient;

use crate::postgres::connection::db::Db;
use crate::postgres::error::PgError;
use crate::postgres::locks::WRITERS_LOCK;
use crate::postgres::shared::Shared;
use crate::postgres::tables::counters::TICKETS;
use crate::postgres::tables::sql::NAMES_ROUND;

/// The transactions that are under way end first, and those that come wait: none of them knows a name that goes.
static BEGIN: LazyLock<String> =
    LazyLock::new(|| format!("BEGIN; SET LOCAL lock_timeout = '2s'; SELECT pg_advisory_xact_lock({WRITERS_LOCK})"));
/// Without jobs, settings, and claims: a purged job's key stands for it until its tombstone is dropped.
static QUEUES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "DELETE FROM queue q WHERE NOT q.paused AND q.max_queued IS NULL AND q.concurrency IS NULL \
         AND NOT EXISTS (SELECT FROM counter c WHERE c.queue = q.id AND c.state < {TICKETS} \
         GROUP BY c.kind, c.state HAVING sum(c.n) <> 0) \
         AND NOT EXISTS (SELECT FROM claim WHERE scope IN (1, 2) AND queue = q.id) RETURNING q.id"
    )
});
static KINDS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "DELETE FROM kind k WHERE k.id NOT IN (SELECT kind FROM counter WHERE state < {TICKETS} \
         GROUP BY queue, kind, state HAVING sum(n) <> 0) RETURNING k.id"
    )
});
const COUNTERS: &str = "DELETE FROM counter WHERE queue = ANY($1) OR kind = ANY($2)";
static LAST_ROUND: LazyLock<String> = LazyLock::new(|| format!("SELECT {NAMES_ROUND}"));
const NEXT_ROUND: &str = "INSERT INTO meta (name, number) VALUES ('names_forgotten', 1) \
    ON CONFLICT (name) DO UPDATE SET number = meta.number + 1";

/// Forgets what it can; answers whether that was something. No transaction may be under way on the connection.
pub(crate) async fn unused(db: &Db) -> Result<bool, PgError> {
    let forgotten = within(db).await;
    db.run(if matches!(forgotten, Ok(true)) { "COMMIT" } else { "ROLLBACK" }).await?;
    forgotten
}

async fn within(db: &Db) -> Result<bool, PgError> {
    db.run(&BEGIN).await?;
    let (queues, kinds) = (db.query(&QUEUES, &[]).await?, db.query(&KINDS, &[]).await?);
    let queues: Vec<i32> = queues.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let kinds: Vec<i32> = kinds.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if queues.is_empty() && kinds.is_empty() {
        return Ok(false);
    }
    db.execute(COUNTERS, &[&queues, &kinds]).await?;
    db.execute(NEXT_ROUND, &[]).await?;
    Ok(true)
}

impl Shared {
    /// Reads all names again: some were forgotten.
    pub(crate) async fn reread_names(&self, db: &impl GenericClient) -> Result<(), PgError> {
        // The round first: a later one is noticed by the next transaction.
        let round: i64 = db.query_one(&*LAST_ROUND, &[]).await?.try_get(0)?;
        let (queues, kinds) =
            try_join!(db.query("SELECT id, name FROM queue", &[]), db.query("SELECT id, name FROM kind", &[]))?;
        self.names.queues.replace(&queues)?;
        self.names.kinds.replace(&kinds)?;
        self.names.round.store(round, Ordering::Release);
        Ok(())
    }
}
