use std::sync::LazyLock;

use deadpool_postgres::Object;
use raincheck_core::{Cursor, Event, JobNo, limits};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::history::CURRENT;
use super::reader::{row, rows};
use super::rows as read;
use super::rows::count;
use super::shared::{Shared, Trouble};
use crate::records::{EventFilter, EventPage, on_a_page};

static OF_JOB: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM event e JOIN feed f ON f.batch=e.batch JOIN job j ON j.no=e.no \
         WHERE e.no=$1 AND e.no >= {{low}} AND e.no < {{high}} AND e.seq>$2 ORDER BY e.seq LIMIT $3",
        read::EVENT
    )
});
/// The least and the greatest number of a job among the events that the next statement looks through.
const RANGE: &str = "SELECT min(low), max(high) FROM \
    (SELECT low, high FROM feed WHERE last>$1 AND last>=first AND first<=$2 ORDER BY last LIMIT $3) f";
/// Transactions in order, then the events of each: written so that no other way through the tables comes to mind, and only
/// the partitions that a transaction wrote to are looked into for it.
static OF_ALL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM (SELECT * FROM feed WHERE last>$1 AND last>=first AND first<=$2 ORDER BY last LIMIT $3) f \
         CROSS JOIN LATERAL (SELECT * FROM event WHERE batch=f.batch AND no >= f.low AND no <= f.high \
         AND no >= {{low}} AND no < {{high}} ORDER BY idx) e JOIN job j ON j.no=e.no \
         WHERE f.first + e.idx > $1 AND f.first + e.idx <= $2 ORDER BY f.last, e.idx LIMIT $3",
        read::EVENT
    )
});
/// The cursor of the latest event, the highest one that was forgotten, and the history that both are of.
static BOUNDS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT last FROM feed ORDER BY pos DESC LIMIT 1), \
         (SELECT number FROM meta WHERE name='feed_floor'), {CURRENT}"
    )
});

/// Most rows one look at the feed goes through, so that a filter that passes little does not read for long.
const LOOK: usize = 5_000;

/// Where the feed ends, and up to where it was forgotten. What a cursor of another history means is known only after this
/// node has gone over to that one.
pub(super) async fn bounds(db: &Object, shared: &Shared) -> Result<(Cursor, Cursor), Trouble> {
    let Some(row) = row(db, &BOUNDS, &[]).await? else { return Ok(Default::default()) };
    if row.try_get::<_, i64>(2)? != shared.history.current() {
        shared.feed.behind.notify_one();
        return Err(Trouble::OtherHistory);
    }
    let at = |column| Ok::<_, Trouble>(Cursor(row.try_get::<_, Option<i64>>(column)?.unwrap_or(0)));
    Ok((at(0)?, at(1)?))
}

pub(super) async fn of_job(
    db: &Object,
    shared: &Shared,
    no: JobNo,
    after: u32,
    limit: usize,
) -> Result<Vec<Event>, Trouble> {
    let rows =
        rows(db, &shared.stretches.around(no).put_into(&OF_JOB), &[&no.0, &count(after), &(limit as i64)]).await?;
    let mut events = all(db, shared, &rows).await?;
    events.truncate(on_a_page(events.iter().map(Event::weight)));
    Ok(events)
}

/// A look at the feed above `after`. What it says is the head may be behind what others write meanwhile, and never
/// before anything that is not read.
pub(super) async fn of_all(
    db: &Object,
    shared: &Shared,
    after: Cursor,
    filter: &EventFilter,
    limit: usize,
) -> Result<EventPage, Trouble> {
    let (head, _) = bounds(db, shared).await?;
    let mut page = EventPage { read_to: after, ..EventPage::default() };
    let look: [&(dyn ToSql + Sync); 3] = [&after.0, &head.0, &(LOOK as i64)];
    let range = row(db, RANGE, &look).await?;
    let range = range.map(|row| Ok::<[Option<i64>; 2], Trouble>([row.try_get(0)?, row.try_get(1)?])).transpose()?;
    let range = shared.stretches.around_all(range.into_iter().flatten().flatten());
    let rows = rows(db, &range.put_into(&OF_ALL), &look).await?;
    let mut size = 0;
    for event in all(db, shared, &rows).await? {
        page.read_to = event.cursor;
        if filter.admits(&event) {
            size += event.weight();
            page.items.push(event);
            if page.items.len() == limit || size >= limits::PAGE_BYTES {
                return Ok(page);
            }
        }
    }
    if rows.len() < LOOK {
        page.read_to = page.read_to.max(head);
        page.at_head = true;
    }
    Ok(page)
}

/// The events in rows of [`read::EVENT`].
async fn all(db: &Object, shared: &Shared, rows: &[Row]) -> Result<Vec<Event>, Trouble> {
    shared.learn(&***db, rows, read::EVENT_NAMES).await?;
    rows.iter().map(|row| read::event(row, shared)).collect()
}
