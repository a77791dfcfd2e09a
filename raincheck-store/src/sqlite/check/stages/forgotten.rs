//! What the events of forgotten jobs take, beside a recount of one moment.

use std::time::Instant;

use raincheck_core::limits::EVENT_BYTES;
use rusqlite::{Result, params};

use super::counters::{ROWS, is_same_moment};
use crate::checkup::Invariant;
use crate::rules::forward;
use crate::sqlite::check::stage::{Look, Stage};
use crate::sqlite::tables::meta::{FORGOTTEN_BYTES, TRIMMED, number};

const WEIGHT: &str = "SELECT cursor, CASE WHEN EXISTS (SELECT 1 FROM job WHERE job.no=event.no) THEN 0 \
    ELSE ?3 + coalesce(octet_length(data), 0) END FROM event WHERE cursor>?1 ORDER BY cursor LIMIT ?2";

/// A recount under way.
#[derive(Default)]
pub(crate) struct Forgotten {
    version: Option<i64>,
    after: i64,
    bytes: i64,
}

impl Stage for Forgotten {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        if self.version.is_none() {
            self.after = number(look.db, TRIMMED)?;
        }
        if !is_same_moment(&mut self.version, look)? {
            return Ok(false);
        }
        let until = look.until.max(Instant::now() + look.throttle.whole);
        let mut statement = look.db.prepare_cached(WEIGHT)?;
        loop {
            let mut rows = statement.query(params![self.after, ROWS as i64, EVENT_BYTES as i64])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                count += 1;
                if !forward(&mut self.after, row.get(0)?) {
                    return look.circle("events");
                }
                self.bytes += row.get::<_, i64>(1)?;
            }
            drop(rows);
            look.page.looked += count as u64;
            if count < ROWS {
                let kept = number(look.db, FORGOTTEN_BYTES)?;
                if kept != self.bytes {
                    let detail = format!("events of forgotten jobs: kept {kept} bytes, counted {}", self.bytes);
                    look.page.found(Invariant::Counters, "the feed", detail);
                }
                return Ok(false);
            }
            if Instant::now() >= until {
                // Ends the piece, too: what was to be one moment is over.
                look.until = Instant::now();
                return Ok(true);
            }
        }
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Counters]
    }
}
