//! The whole feed, from its beginning to its head.

use rusqlite::{Result, params};

use crate::checkup::Invariant;
use crate::rules::forward;
use crate::sqlite::check::stage::{BATCH, Look, Stage};
use crate::sqlite::tables::meta::floor;

/// The place up to which the feed was read.
#[derive(Default)]
pub(crate) struct Feed {
    last: i64,
}

impl Stage for Feed {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        // Trimming leaves holes, and raises the floor above them in the same transaction.
        let floor = floor(look.db)?.unwrap_or(0);
        let mut statement = look.db.prepare_cached(
            "SELECT e.cursor, e.no, e.seq, j.no IS NULL AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.no=e.no) \
             FROM event e LEFT JOIN job j ON j.no=e.no WHERE e.cursor>?1 ORDER BY e.cursor LIMIT ?2",
        )?;
        let mut rows = statement.query(params![self.last, BATCH as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            let cursor: i64 = row.get(0)?;
            if cursor.saturating_sub(1) > self.last.max(floor) {
                let detail = format!("nothing stands between {} and it", self.last.max(floor));
                look.page.found(Invariant::Feed, format!("event {cursor} of the feed"), detail);
            }
            if row.get(3)? {
                let detail = format!(
                    "event {} of the job number {}, which is not here and was not forgotten",
                    row.get::<_, i64>(2)?,
                    row.get::<_, i64>(1)?
                );
                look.page.found(Invariant::Belongings, format!("event {cursor} of the feed"), detail);
            }
            if !forward(&mut self.last, cursor) {
                return look.circle("events");
            }
        }
        look.page.examined += count as u64;
        Ok(count == BATCH)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Feed, Invariant::Belongings]
    }
}
