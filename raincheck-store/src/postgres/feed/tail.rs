//! Follows the feed: reads what other nodes wrote, in order, and hands it on. Woken by hints, with a look behind them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use raincheck_core::{Event, EventData, JobNo, LeaseRef, State};
use tokio::time::timeout;
use tokio_postgres::Row;

use super::order::Published;
use crate::postgres::connection::anchor::TIMELINE;
use crate::postgres::connection::pool::Object;
use crate::postgres::connection::timeouts::answered;
use crate::postgres::error::PgError;
use crate::postgres::history::epoch::CURRENT;
use crate::postgres::node::clock::NOW;
use crate::postgres::node::number::FORGET;
use crate::postgres::reader::query::rows;
use crate::postgres::shared::Shared;
use crate::postgres::tables::leases::{SOME_LEASES, kept_lease};
use crate::postgres::tables::rows as read;
use crate::records::Commit;

/// Between two looks while somebody waits and no hint comes.
const SOON: Duration = Duration::from_millis(50);
/// Between two looks otherwise. With what else goes on beside it, an idle node asks less than once a second.
const LATER: Duration = Duration::from_secs(3);
/// How long that may take.
const READ: Duration = Duration::from_secs(10);
/// Transactions read at a time, and events, about.
const TRANSACTIONS: i64 = 256;
const EVENTS: i64 = 5_000;

static FEED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT pos, first, last, grown, grown_kinds, node, low, high, \
         EXISTS (SELECT 1 FROM node WHERE number<>$3 AND seen_at > {NOW} - {FORGET}), batch, {CURRENT}, {TIMELINE} \
         FROM feed WHERE pos>=$1 ORDER BY pos LIMIT $2"
    )
});
static OF_THESE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, f.pos FROM feed f CROSS JOIN LATERAL (SELECT * FROM event WHERE batch=f.batch AND no >= f.low \
         AND no <= f.high AND no >= {{low}} AND no < {{high}} ORDER BY idx) e {} \
         WHERE f.pos>$1 AND f.pos<=$2 AND {} ORDER BY f.pos, e.idx",
        read::EVENT,
        read::OF_EVENT,
        *read::SHOWN
    )
});
/// Behind the columns of [`read::EVENT`].
const EVENT_POS: usize = 13;

/// Follows until it is dropped.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let (mut failed, mut unmet) = (false, String::new());
    loop {
        let pause = if shared.waits_unheard() { SOON } else { LATER };
        // Woken or not: it looks.
        let _ = timeout(pause, shared.feed.behind.notified()).await;
        match catch_up(&shared).await {
            Ok(()) => (failed, unmet) = (false, String::new()),
            Err(PgError::OtherHistory) => match met(&shared).await {
                Ok(()) => {}
                Err(error) => {
                    if error.is_loss() {
                        shared.lose(&error);
                    }
                    // Whether it is another one is not known yet.
                    let why = error.why();
                    if unmet != why {
                        tracing::warn!(why, "which history the database has can't be found out yet");
                    }
                    unmet = why;
                    tokio::time::sleep(LATER).await;
                }
            },
            Err(error) => {
                if error.is_loss() {
                    shared.lose(&error);
                }
                if !failed {
                    tracing::warn!(trouble = %error, "the feed can't be read; what other nodes do is told of later");
                }
                failed = true;
                tokio::time::sleep(LATER).await;
            }
        }
    }
}

/// Goes on with the history that the database has.
async fn met(shared: &Shared) -> Result<(), PgError> {
    let until = Instant::now() + READ;
    answered(until, async { shared.meet(&***shared.reader(until).await?).await }).await
}

/// Reads up to the end of the feed.
async fn catch_up(shared: &Shared) -> Result<(), PgError> {
    loop {
        let until = Instant::now() + READ;
        if !answered(until, page(shared, until)).await? {
            return Ok(());
        }
    }
}

/// Reads some of it; answers whether there may be more.
async fn page(shared: &Shared, until: Instant) -> Result<bool, PgError> {
    let at = shared.feed.at();
    let pos = at.pos;
    let db = shared.reader(until).await?;
    // The last one that was read comes along: while there is nothing new, the answer still tells of other nodes.
    let node = shared.node.load(Ordering::Acquire);
    let found = rows(&db, &FEED, &[&pos, &(TRANSACTIONS + 1), &node]).await?;
    // Of that one, or of those after it, something is always there.
    let next = found.first().ok_or(PgError::OtherHistory)?;
    let history: i64 = next.try_get(10)?;
    shared.history.admit(history, next.try_get(11)?)?;
    let mut transactions = Vec::new();
    let mut due = 0;
    for row in &found {
        shared.hints.others.store(row.try_get(8)?, Ordering::Relaxed);
        let transaction = Transaction::of(row, node)?;
        if transaction.pos <= pos {
            if !at.may_be(transaction.pos, transaction.batch) {
                return Err(PgError::OtherHistory);
            }
            continue;
        }
        due += transaction.last - transaction.first + 1;
        transactions.push(transaction);
        if due >= EVENTS {
            break;
        }
    }
    let Some(last) = transactions.last().map(|transaction| transaction.pos) else { return Ok(false) };
    let doubtful = shared.feed.is_doubtful();
    let is_foreign = |transaction: &&Transaction| doubtful || transaction.node != node;
    if due > 0 {
        read_events(&db, shared, (pos, last), &mut transactions).await?;
    }
    if transactions.iter().any(|transaction| is_foreign(&transaction)) {
        let others = transactions.iter().filter(is_foreign);
        note(&db, shared, others.flat_map(|transaction| &transaction.commit.events)).await?;
    }
    drop(db);
    publish(shared, (pos, history), transactions);
    Ok(true)
}

/// A row of the feed.
struct Transaction {
    pos: i64,
    batch: i64,
    first: i64,
    last: i64,
    node: i32,
    /// The least and the greatest number of a job among its events.
    range: [Option<i64>; 2],
    commit: Commit,
}

impl Transaction {
    /// As the node of that number reads it.
    fn of(row: &Row, reader: i32) -> Result<Self, PgError> {
        let grown: Option<Vec<i64>> = row.try_get(3)?;
        let kinds: Option<Vec<i16>> = row.try_get(4)?;
        let grown = grown.unwrap_or_default().into_iter().zip(kinds.unwrap_or_default());
        let chunks = grown.map(|(no, kind)| (JobNo(no), read::chunk_kind(kind))).collect();
        let node = row.try_get(5)?;
        Ok(Transaction {
            pos: row.try_get(0)?,
            batch: row.try_get(9)?,
            first: row.try_get(1)?,
            last: row.try_get(2)?,
            node,
            range: [row.try_get(6)?, row.try_get(7)?],
            commit: Commit { chunks, is_own: node == reader, ..Commit::default() },
        })
    }
}

/// Reads the events of the transactions after the first and up to the second place, and puts each in its own.
async fn read_events(
    db: &Object,
    shared: &Shared,
    (after, last): (i64, i64),
    transactions: &mut [Transaction],
) -> Result<(), PgError> {
    let range = shared.partitions.around_all(transactions.iter().flat_map(|transaction| transaction.range).flatten());
    let events = rows(db, &range.put_into(&OF_THESE), &[&after, &last]).await?;
    shared.load_missing(&***db, &events, read::EVENT_NAMES).await?;
    for row in &events {
        let pos: i64 = row.try_get(EVENT_POS)?;
        let place = transactions.binary_search_by_key(&pos, |transaction| transaction.pos);
        // What was forgotten since the transactions were read has gone together with its place.
        let Ok(place) = place else { continue };
        transactions[place].commit.events.push(read::event(row, &shared.names)?);
    }
    Ok(())
}

/// Takes over what other nodes changed, before anybody hears of it and comes to ask.
async fn note<'a>(
    db: &Object,
    shared: &Shared,
    events: impl Iterator<Item = &'a Event> + Clone,
) -> Result<(), PgError> {
    // Whoever handed these out may be gone when they are over.
    let started = events.clone().filter(|event| matches!(event.data, EventData::Started { .. }));
    let started: Vec<i64> = started.map(|event| event.no.0).collect();
    if !started.is_empty() {
        for row in rows(db, SOME_LEASES, &[&started]).await? {
            shared.leases.lock().put(kept_lease(&row)?);
        }
    }
    let mut counters = shared.counters.write();
    let mut leases = shared.leases.lock();
    for event in events {
        let lease = LeaseRef { no: event.no, attempt: event.attempt };
        match (&event.data, event.state) {
            (EventData::CancelRequested, State::Running) => leases.ask_to_stop(lease),
            (_, State::Running) => {}
            // One that began and ended meanwhile has no row any more.
            _ => leases.end(lease),
        }
        if event.state == State::Queued {
            counters.maybe_ready.insert((event.queue.clone(), event.kind.clone()));
        }
    }
    drop((counters, leases));
    shared.stale.set();
    Ok(())
}

/// Hands them on. What is missing between two that are there has been forgotten: a place is visible only after all
/// those before it.
fn publish(shared: &Shared, (after, history): (i64, i64), transactions: Vec<Transaction>) {
    let mut next = after + 1;
    for Transaction { pos, batch, commit, .. } in transactions {
        for pos in next..pos {
            shared.feed.publish(Published { pos, batch: 0, history, commit: Commit::default() });
        }
        next = pos + 1;
        shared.feed.publish(Published { pos, batch, history, commit });
    }
}
