//! What the events of forgotten jobs take.

use raincheck_core::limits::EVENT_BYTES;
use rusqlite::{Connection, Result, params};

use crate::checkup::Invariant;
use crate::rules::forward;
use crate::sqlite::check::recount::{ROWS, Recount};
use crate::sqlite::check::stage::Look;
use crate::sqlite::tables::meta::{FORGOTTEN_BYTES, TRIMMED, number};

const WEIGHT: &str = "SELECT cursor, CASE WHEN EXISTS (SELECT 1 FROM job WHERE job.no=event.no) THEN 0 \
    ELSE ?3 + coalesce(octet_length(data), 0) END FROM event WHERE cursor>?1 ORDER BY cursor LIMIT ?2";

/// The bytes of those events that trimming has not come to yet.
#[derive(Default)]
pub(crate) struct Forgotten {
    after: i64,
    bytes: i64,
}

impl Recount for Forgotten {
    const OF: &'static str = "events";

    fn begin(&mut self, db: &Connection) -> Result<()> {
        self.after = number(db, TRIMMED)?;
        Ok(())
    }

    fn count(&mut self, db: &Connection) -> Result<Option<usize>> {
        let mut statement = db.prepare_cached(WEIGHT)?;
        let mut rows = statement.query(params![self.after, ROWS as i64, EVENT_BYTES as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if !forward(&mut self.after, row.get(0)?) {
                return Ok(None);
            }
            self.bytes += row.get::<_, i64>(1)?;
        }
        Ok(Some(count))
    }

    fn compare(&self, look: &mut Look<'_>) -> Result<()> {
        let kept = number(look.db, FORGOTTEN_BYTES)?;
        if kept != self.bytes {
            let detail = format!("events of forgotten jobs: kept {kept} bytes, counted {}", self.bytes);
            look.page.found(Invariant::Counters, "the feed", detail);
        }
        Ok(())
    }
}
