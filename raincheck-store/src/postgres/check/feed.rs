//! The whole feed, from its beginning to its head.

use async_trait::async_trait;

use super::stage::{BATCH, Look, Result, Stage};
use crate::checkup::Invariant;

/// Where histories begin: the last event before, and the place before the first one.
const HISTORIES: &str = "SELECT last, first - 1 FROM history ORDER BY first";
const TRIMMED: &str = "SELECT number FROM meta WHERE name='feed_trimmed'";
/// Transactions, and of each: how many of its events that the feed is not trimmed past are here, and one that has lost its
/// job and what is left of that. Of others, jobs may be forgotten whose events are not gone yet.
const PAGE: &str = "SELECT f.pos, f.first, f.last, e.n, e.below, e.above, e.lost, e.seq FROM (SELECT * FROM feed \
    WHERE pos>$1 ORDER BY pos LIMIT $2) f CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE f.first + e.idx > $3) AS n, \
    min(f.first + e.idx) AS below, max(f.first + e.idx) AS above, min(e.no) FILTER (WHERE j.no IS NULL AND t.no IS NULL AND f.first + e.idx > $3) AS lost, \
    min(e.seq::bigint) FILTER (WHERE j.no IS NULL AND t.no IS NULL AND f.first + e.idx > $3) AS seq FROM event e \
    LEFT JOIN job j ON j.no=e.no LEFT JOIN tombstone t ON t.no=e.no WHERE e.batch=f.batch AND e.no >= f.low AND e.no <= f.high) e ORDER BY f.pos";
/// The transaction up to which the feed was read, and the cursor of its last event.
pub(super) struct Feed {
    pos: i64,
    last: i64,
}

impl Default for Feed {
    fn default() -> Self {
        Feed { pos: -1, last: 0 }
    }
}

#[async_trait]
impl Stage for Feed {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let trimmed = look.rows(TRIMMED, &[]).await?;
        let trimmed: i64 = trimmed.first().map(|row| row.try_get(0)).transpose()?.flatten().unwrap_or(0);
        let histories = look.rows(HISTORIES, &[]).await?;
        let rows = look.rows(PAGE, &[&self.pos, &(BATCH as i64), &trimmed]).await?;
        for row in &rows {
            let number = |column: usize| row.try_get::<_, i64>(column);
            let (pos, first, last, here) = (number(0)?, number(1)?, number(2)?, number(3)?);
            let subject = || format!("transaction {pos} of the feed");
            let mut before = self.last.max(trimmed);
            for history in histories.iter() {
                let (last, place): (i64, i64) = (history.try_get(0)?, history.try_get(1)?);
                before = if (last..place).contains(&before) && place < first { place } else { before };
            }
            if first > before + 1 {
                let detail = format!("nothing stands between event {before} and its first, {first}");
                look.page.found(Invariant::Feed, subject(), detail);
            }
            if first <= self.last {
                let detail = format!("its first event, {first}, stands before the last of the one before it");
                look.page.found(Invariant::Feed, subject(), detail);
            }
            let bounds: (Option<i64>, Option<i64>) = (row.try_get(4)?, row.try_get(5)?);
            let outside = bounds.0.is_some_and(|below| below < first) || bounds.1.is_some_and(|above| above > last);
            let due = (last - trimmed.max(first - 1)).max(0);
            if outside || here != due {
                look.page.found(Invariant::Feed, subject(), format!("it has {here} of its {due} events"));
            }
            if let Some(lost) = row.try_get::<_, Option<i64>>(6)? {
                let detail = format!("event {} of the job number {lost}, which is not here", number(7)?);
                look.page.found(Invariant::Belongings, subject(), detail);
            }
            look.page.examined += here.unsigned_abs();
            (self.pos, self.last) = (pos, last);
        }
        look.page.examined += rows.len() as u64;
        Ok(rows.len() == BATCH)
    }
}
