//! Maintains the partitions: makes them ahead of time, and drops those that no job is left of. Any node does, no matter
//! how many; who comes second finds nothing to do.
//!
//! What another transaction has in use is left for the next round: whoever waits for a lock on a whole table lets
//! nobody else at it meanwhile.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use raincheck_core::Millis;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::compact;
use super::known::{EVENTS, PAYLOADS, Span, first_of};
use super::past::{Fate, PastPartition, alone, drop_tables, table_names, take_tables};
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;
use crate::postgres::tables::sql::{LAST_CURSOR, TRIMMED};

/// Rounds begin at least this often; and when tombstones were looked at.
const ROUND: Duration = Duration::from_secs(3_600);
/// Numbers of a time so long ago are not given any more, milliseconds: no transaction is under way for so long.
const SETTLED: Millis = 3_600_000;
/// Most partitions dropped or compacted in a round, and how soon the next one begins after it.
const FEW: usize = 8;
const SOON: Duration = Duration::from_secs(1);
static OVER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT low, high, suffix, events, held, EXISTS (SELECT FROM job j WHERE j.no >= s.low AND j.no < s.high), \
         coalesce(last <= {TRIMMED}, false) FROM partition s WHERE high <= $1 ORDER BY low"
    )
});
const LEFT: &str = "SELECT EXISTS (SELECT FROM job WHERE no >= $1 AND no < $2)";
static FEED_PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT max(pos) FROM (SELECT pos FROM feed WHERE pos > $1 AND pos < $2 AND last <= {TRIMMED} ORDER BY pos \
         LIMIT 1000) AS page"
    )
});
/// Rows of the feed none of whose jobs is left, where it is trimmed past them.
const OLD_FEED: &str = "DELETE FROM feed f WHERE f.pos > $1 AND f.pos <= $2 AND NOT EXISTS (SELECT FROM \
    (SELECT 1 FROM job j WHERE j.no >= f.low AND j.no <= f.high LIMIT 1) AS any_of_them, LATERAL (SELECT FROM event e \
    JOIN job j ON j.no = e.no WHERE e.batch = f.batch AND e.no >= f.low AND e.no <= f.high LIMIT 1) AS one_of_its)";
/// So many of the newest rows of the feed stay: other nodes may still have to read them, and the last one says where
/// the feed goes on.
const KEEP_FEED: i64 = 10_000;

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Partitions that were made.
    pub made: usize,
    /// Those that no job was left of, and whose partitions are dropped, but for that of their events.
    pub dropped: usize,
    /// Those whose events went, too.
    pub trimmed: usize,
    /// Those whose few remaining jobs were moved to smaller partitions.
    pub compacted: usize,
    /// Those that would have been, had nobody used their tables.
    pub delayed: usize,
}

/// Maintains them until it is dropped.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut pause = ROUND;
    loop {
        // Woken or not: it looks.
        let _ = timeout(pause, shared.maintenance_due.notified()).await;
        pause = match round(&shared, 9).await {
            Ok(done) if done.dropped + done.trimmed + done.compacted >= FEW => SOON,
            Ok(_) => ROUND,
            Err(error) => {
                tracing::warn!(trouble = %error, "partitions are not looked after; this is tried again");
                ROUND
            }
        };
    }
}

/// Everything once.
///
/// 1. Read which partitions there are, and make those of now and of one length later.
/// 2. Of each that is over, oldest first: drop what goes with jobs when no job is left, compact it when few are; and
///    when the feed is trimmed past the events of its forgotten jobs, do the same with its events. So many a round.
/// 3. Read which there are now.
/// 4. Forget the rows of the feed that no job is left of. After each page it rests for so many times as long as that
///    took.
pub(crate) async fn round(shared: &Shared, rests: u32) -> Result<Maintained, PgError> {
    // 1.
    let mut db = shared.reader(Instant::now() + ROUND).await?;
    shared.partitions.load(&***db).await?;
    let mut done =
        Maintained { made: shared.partitions.make_ahead(&mut db, shared.clock.now()).await?, ..Maintained::default() };
    // 2.
    let settled = first_of(shared.clock.now().plus(-SETTLED));
    for row in db.query(&*OVER, &[&settled]).await? {
        let span = Span { low: row.try_get(0)?, high: row.try_get(1)? };
        let partition = PastPartition { span, suffix: row.try_get(2)?, events: row.try_get(3)?, held: row.try_get(4)? };
        let (is_used, is_trimmed): (bool, bool) = (row.try_get(5)?, row.try_get(6)?);
        let fate = match &partition.suffix {
            Some(suffix) if is_used && is_trimmed => compact::compact_events(&mut db, &partition, suffix).await?,
            Some(suffix) if is_used => compact::compact(&mut db, &partition, suffix).await?,
            Some(suffix) => drop_part(&mut db, &partition, &PAYLOADS, suffix).await?,
            None if is_trimmed && !is_used => drop_part(&mut db, &partition, &EVENTS, &partition.events).await?,
            None => Fate::Stays,
        };
        match fate {
            Fate::Done if is_used => done.compacted += 1,
            Fate::Done if partition.suffix.is_some() => done.dropped += 1,
            Fate::Done => done.trimmed += 1,
            Fate::Stays => {}
            Fate::InUse => {
                // So are the others then, and nobody is to be kept waiting for nothing.
                done.delayed += 1;
                break;
            }
        }
        if done.dropped + done.trimmed + done.compacted >= FEW {
            break;
        }
    }
    // 3.
    shared.partitions.load(&***db).await?;
    drop(db);
    // 4.
    forget_feed(shared, rests).await?;
    Ok(done)
}

/// Drops its partitions of some tables, if no job is left.
async fn drop_part(db: &mut Client, partition: &PastPartition, tables: &[&str], suffix: &str) -> Result<Fate, PgError> {
    let transaction = db.transaction().await?;
    if !alone(&transaction, partition).await? {
        return Ok(Fate::Stays);
    }
    if !take_tables(&transaction, tables).await? {
        return Ok(Fate::InUse);
    }
    // Nobody writes about any job now: if none of the partition is there, there will be none.
    if transaction.query_one(LEFT, &[&partition.span.low, &partition.span.high]).await?.try_get(0)? {
        return Ok(Fate::Stays);
    }
    drop_tables(&transaction, &table_names(tables, suffix)).await?;
    let dropped = match partition.suffix {
        Some(_) => format!("UPDATE partition SET suffix = NULL, last = {LAST_CURSOR} WHERE low = $1"),
        None => "DELETE FROM partition WHERE low = $1".to_owned(),
    };
    transaction.execute(&dropped, &[&partition.span.low]).await?;
    transaction.commit().await?;
    tracing::info!(partition = suffix, ?tables, "dropped a partition whose jobs are all forgotten");
    Ok(Fate::Done)
}

/// Goes through the feed from its beginning, page by page.
async fn forget_feed(shared: &Shared, rests: u32) -> Result<(), PgError> {
    let mut from = -1_i64;
    loop {
        let begin = Instant::now();
        let db = shared.reader(Instant::now() + ROUND).await?;
        let settled = shared.feed.at().pos - KEEP_FEED;
        let Some(to) = db.query_one(&*FEED_PAGE, &[&from, &settled]).await?.try_get::<_, Option<i64>>(0)? else {
            return Ok(());
        };
        db.execute(OLD_FEED, &[&from, &to]).await?;
        drop(db);
        from = to;
        tokio::time::sleep(begin.elapsed() * rests).await;
    }
}
