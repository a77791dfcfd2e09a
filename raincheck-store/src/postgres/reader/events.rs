use std::sync::LazyLock;

use raincheck_core::{Cursor, Event, JobNo, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::query::{row, rows};
use crate::postgres::connection::pool::Object;
use crate::postgres::error::PgError;
use crate::postgres::history::epoch::CURRENT;
use crate::postgres::shared::Shared;
use crate::postgres::tables::rows as read;
use crate::postgres::tables::rows::count;
use crate::postgres::tables::sql::{FORGOTTEN_BYTES, RANGE, TRIMMED};
use crate::records::{EventFilter, EventPage, FeedStats, Most};

/// About what an event weighs, bytes. To ask for the length of a text is not to read it.
const WEIGHT: &str = "(320 + coalesce(octet_length(e.data), 0))";
/// What the events that are read weigh together, up to each.
const SO_FAR: &str = "sum({weight}) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS so_far";
static OF_JOB: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, e.so_far FROM (SELECT *, {} FROM event e \
         WHERE e.no=$1 AND e.no >= {{low}} AND e.no < {{high}} AND e.seq>$2 ORDER BY e.seq LIMIT $3) e \
         JOIN feed f ON f.batch=e.batch {} WHERE {} AND e.so_far - {WEIGHT} < $4 ORDER BY e.seq",
        read::EVENT,
        so_far("e.seq"),
        read::OF_EVENT,
        *read::SHOWN
    )
});
/// Transactions in order, then the events of each: written so that no other way through the tables comes to mind, and only
/// the partitions that a transaction wrote to are looked into for it.
static OF_ALL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT * FROM (SELECT {}, {} \
         FROM (SELECT * FROM feed WHERE last>$1 AND last>=first AND first<=$2 ORDER BY last LIMIT $3) f \
         CROSS JOIN LATERAL (SELECT * FROM event WHERE batch=f.batch AND no >= f.low AND no <= f.high \
         AND no >= {{low}} AND no < {{high}} ORDER BY idx) e {} \
         WHERE f.first + e.idx > $1 AND f.first + e.idx <= $2 AND {} ORDER BY f.last, e.idx LIMIT $3) e \
         WHERE e.so_far - {WEIGHT} < $4 ORDER BY e.cursor",
        read::EVENT.replacen("e.idx", "e.idx AS cursor", 1),
        so_far("f.last, e.idx").replace("e.data", "CASE WHEN j.no IS NOT NULL THEN e.data END"),
        read::OF_EVENT,
        *read::SHOWN
    )
});
/// The cursor of the latest event, the highest one that was forgotten, and the history that both are of.
static BOUNDS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT last FROM feed ORDER BY pos DESC LIMIT 1), \
         (SELECT number FROM meta WHERE name='feed_floor'), {CURRENT}"
    )
});

static OLDEST_TIME: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {FORGOTTEN_BYTES}, (SELECT e.at FROM (SELECT * FROM feed WHERE last > {TRIMMED} AND last >= first ORDER BY last \
         LIMIT 1) f CROSS JOIN LATERAL (SELECT at FROM event WHERE batch = f.batch AND no >= f.low AND no <= f.high \
         ORDER BY idx LIMIT 1) e)"
    )
});

const IS_VOID: &str = "SELECT EXISTS (SELECT FROM history WHERE last < $1 AND first - 1 > $1)";

/// Most rows one look at the feed goes through, so that a filter that passes little does not read for long.
const SCAN_ROWS: usize = 5_000;

/// Where the feed ends, and up to where it was forgotten. What a cursor of another history means is known only after this
/// node has gone over to that one.
pub(crate) async fn bounds(db: &Object, shared: &Shared) -> Result<(Cursor, Cursor), PgError> {
    let Some(row) = row(db, &BOUNDS, &[]).await? else { return Ok(Default::default()) };
    if row.try_get::<_, i64>(2)? != shared.history.current() {
        shared.feed.behind.notify_one();
        return Err(PgError::OtherHistory);
    }
    let at = |column| Ok::<_, PgError>(Cursor(row.try_get::<_, Option<i64>>(column)?.unwrap_or(0)));
    Ok((at(0)?, at(1)?))
}

/// When the oldest event of the feed was, and what the events of forgotten jobs take.
pub(crate) async fn feed_stats(db: &Object) -> Result<FeedStats, PgError> {
    let Some(row) = row(db, &OLDEST_TIME, &[]).await? else { return Ok(FeedStats::default()) };
    let oldest: Option<i64> = row.try_get(1)?;
    Ok(FeedStats { oldest: oldest.map(Timestamp), forgotten_bytes: row.try_get::<_, i64>(0)?.max(0).unsigned_abs() })
}

/// Whether a place of the feed was given out in another history than this.
pub(crate) async fn is_void(db: &Object, cursor: Cursor) -> Result<bool, PgError> {
    Ok(row(db, IS_VOID, &[&cursor.0]).await?.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}

pub(crate) async fn of_job(
    db: &Object,
    shared: &Shared,
    no: JobNo,
    after: u32,
    most: Most,
) -> Result<EventPage, PgError> {
    let with: [&(dyn ToSql + Sync); 4] = [&no.0, &count(after), &(most.rows as i64), &(most.bytes as i64)];
    let rows = rows(db, &shared.partitions.around(no).put_into(&OF_JOB), &with).await?;
    let items = all(db, shared, &rows).await?;
    let read_to = items.last().map_or(Cursor::default(), |event| event.cursor);
    Ok(EventPage { items, read_to, at_head: rows.len() < most.rows && weight(&rows)? < most.bytes as i64 })
}

/// A look at the feed above `after`. What it says is the head may be behind what others write meanwhile, and never
/// before anything that is not read.
pub(crate) async fn of_all(
    db: &Object,
    shared: &Shared,
    after: Cursor,
    filter: &EventFilter,
    most: Most,
) -> Result<EventPage, PgError> {
    let (head, _) = bounds(db, shared).await?;
    let mut page = EventPage { read_to: after, ..EventPage::default() };
    let (look, bytes) = if filter.is_any() { (most.rows, most.bytes) } else { (SCAN_ROWS, most.look()) };
    let (look, bytes) = (look as i64, bytes as i64);
    let with: [&(dyn ToSql + Sync); 4] = [&after.0, &head.0, &look, &bytes];
    let Some(scanned) = row(db, RANGE, &with[..3]).await? else { return Ok(page) };
    let (low, high): (Option<i64>, Option<i64>) = (scanned.try_get(0)?, scanned.try_get(1)?);
    let (to, transactions): (Option<i64>, i64) = (scanned.try_get(2)?, scanned.try_get(3)?);
    let range = shared.partitions.around_all([low, high].into_iter().flatten());
    let rows = rows(db, &range.put_into(&OF_ALL), &with).await?;
    let mut size = 0;
    for event in all(db, shared, &rows).await? {
        page.read_to = event.cursor;
        if filter.admits(&event) {
            size += event.weight();
            page.items.push(event);
            if page.items.len() == most.rows || size >= most.bytes {
                return Ok(page);
            }
        }
    }
    if (rows.len() as i64) < look && weight(&rows)? < bytes {
        page.at_head = transactions < look;
        let to = to.filter(|_| !page.at_head).map_or(head, |to| head.min(Cursor(to)));
        page.read_to = page.read_to.max(to);
    }
    Ok(page)
}

fn so_far(order: &str) -> String {
    SO_FAR.replace("{weight}", WEIGHT).replace("{order}", order)
}

/// What all of these weigh together.
fn weight(rows: &[Row]) -> Result<i64, PgError> {
    Ok(rows.last().map_or(Ok(0), |row| row.try_get("so_far"))?)
}

/// The events in rows of [`read::EVENT`].
async fn all(db: &Object, shared: &Shared, rows: &[Row]) -> Result<Vec<Event>, PgError> {
    shared.load_missing(&***db, rows, read::EVENT_NAMES).await?;
    rows.iter().map(|row| read::event(row, &shared.names)).collect()
}
