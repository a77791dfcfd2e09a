use std::sync::LazyLock;

use raincheck_core::{Cursor, Event, JobNo};
use rusqlite::{Connection, Statement, params};

use super::names::KnownNames;
use super::rows;
use crate::codec;
use crate::records::{EventFilter, EventPage, Most};
use crate::sqlite::error::Result;

static OF_JOB: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM event e LEFT JOIN job j ON j.no=e.no WHERE e.no=?1 AND e.seq>?2 ORDER BY e.seq LIMIT ?3",
        rows::EVENT
    )
});
static OF_ALL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM event e LEFT JOIN job j ON j.no=e.no WHERE e.cursor>?1 AND e.cursor<=?2 ORDER BY e.cursor LIMIT ?3",
        rows::EVENT
    )
});

/// Most rows one look at the feed goes through, so that a filter that passes little does not read for long.
const SCAN_ROWS: usize = 5_000;

pub(crate) const INSERT: &str = "INSERT INTO event VALUES (?1,?2,?3,?4,?5,?6,?7,?8)";

/// `insert` is [`INSERT`].
pub(crate) fn insert(insert: &mut Statement<'_>, event: &Event) -> Result<()> {
    insert.execute(params![
        event.cursor.0,
        event.no.0,
        event.seq,
        event.data.event_type() as i64,
        event.state as i64,
        event.attempt,
        event.at.0,
        codec::event_text(&event.data)?,
    ])?;
    Ok(())
}

pub(crate) fn of_job(db: &Connection, names: &KnownNames, no: JobNo, after: u32, most: Most) -> Result<EventPage> {
    let mut statement = db.prepare_cached(&OF_JOB)?;
    let mut rows = statement.query(params![no.0, after, most.rows as i64])?;
    let (mut page, mut size) = (EventPage::default(), 0);
    while size < most.bytes {
        let Some(row) = rows.next()? else {
            page.at_head = page.items.len() < most.rows;
            break;
        };
        let event = rows::event(db, row, names)?;
        size += event.weight();
        page.read_to = event.cursor;
        page.items.push(event);
    }
    Ok(page)
}

/// A look at the feed above `after`, up to `head`, the cursor of the last transaction known to be on disk.
pub(crate) fn of_all(
    db: &Connection,
    names: &KnownNames,
    after: Cursor,
    head: Cursor,
    filter: &EventFilter,
    most: Most,
) -> Result<EventPage> {
    let mut page = EventPage { read_to: after, ..EventPage::default() };
    let mut statement = db.prepare_cached(&OF_ALL)?;
    let mut rows = statement.query(params![after.0, head.0, SCAN_ROWS as i64])?;
    let (mut scanned, mut weight, mut size) = (0, 0, 0);
    while let Some(row) = rows.next()? {
        let event = rows::event(db, row, names)?;
        scanned += 1;
        weight += event.weight();
        page.read_to = event.cursor;
        if filter.admits(&event) {
            size += event.weight();
            page.items.push(event);
            if page.items.len() == most.rows || size >= most.bytes {
                return Ok(page);
            }
        }
        if weight >= most.look() {
            return Ok(page);
        }
    }
    if scanned < SCAN_ROWS {
        page.read_to = page.read_to.max(head);
        page.at_head = true;
    }
    Ok(page)
}
