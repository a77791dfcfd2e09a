//! The feed's own retention: what it forgets, and when, of jobs that are forgotten.
//!
//! Nothing is deleted event by event: up to where the feed is trimmed, events of forgotten jobs are not shown any more, and go
//! with their partition.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use futures_util::try_join;
use raincheck_core::limits::EVENT_BYTES;
use raincheck_core::{Cursor, Purged, Reply, Timestamp, Trim};
use tokio_postgres::Row;

use super::batch::Batch;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::tables::sql::{FORGOTTEN_BYTES, LAST_CURSOR, RANGE, TRIMMED};

/// Who forgets jobs holds this lock from here to the end of the transaction, and whoever trims holds it alone: so each event
/// is counted once.
pub(crate) const FORGETS: &str = "SELECT pg_advisory_xact_lock_shared(8241990467026)";
const TRIMS: &str = "SELECT pg_advisory_xact_lock(8241990467026)";
static STATE: LazyLock<String> = LazyLock::new(|| format!("SELECT {TRIMMED}, {FORGOTTEN_BYTES}, {LAST_CURSOR}"));
/// The events of these jobs and their cursors: written so that no other way through the tables comes to mind.
const OF_THESE: &str = "unnest($1::bigint[]) AS u (no) CROSS JOIN LATERAL (SELECT * FROM event \
    WHERE no = u.no AND no >= {low} AND no < {high} ORDER BY seq) e CROSS JOIN LATERAL \
    (SELECT first + e.idx AS cursor FROM feed WHERE batch = e.batch LIMIT 1) f";
/// What the events of these jobs take that are above the place, and the last one that is not.
static OF_FORGOTTEN: LazyLock<String> = LazyLock::new(|| {
    let place = format!("greatest($2::bigint, {TRIMMED})");
    format!(
        "SELECT coalesce(sum($3::bigint + coalesce(octet_length(e.data), 0)) FILTER (WHERE f.cursor > {place}), 0)::bigint, \
         max(f.cursor) FILTER (WHERE f.cursor <= {place}) FROM {OF_THESE}"
    )
});
/// Those of them that have events above the place.
static STILL_IN_FEED: LazyLock<String> =
    LazyLock::new(|| format!("SELECT DISTINCT u.no FROM {OF_THESE} WHERE f.cursor > greatest($2::bigint, {TRIMMED})"));
/// Events above a place in their order; written so that no other way through the tables comes to mind.
const OLDEST: &str = "SELECT f.first + e.idx, e.no, e.at, coalesce(octet_length(e.data), 0)::bigint, \
    EXISTS (SELECT FROM job j WHERE j.no = e.no) \
    FROM (SELECT * FROM feed WHERE last > $1 AND last >= first AND first <= $2 ORDER BY last LIMIT $3) f \
    CROSS JOIN LATERAL (SELECT * FROM event WHERE batch = f.batch AND no >= f.low AND no <= f.high \
    AND no >= {low} AND no < {high} ORDER BY idx) e WHERE f.first + e.idx > $1 ORDER BY f.last, e.idx LIMIT $3";
const DROPPED: &str = "DELETE FROM tombstone WHERE no = ANY($1) AND until IS NULL";

impl Batch<'_> {
    /// Asks what the events of jobs take that are being forgotten, as the last that is done about them.
    pub(crate) async fn weigh(&self, nos: &[i64]) -> Result<Vec<Row>, PgError> {
        let with: Parameters<'_> = &[&nos, &self.cut.trimmed.unwrap_or(0), &(EVENT_BYTES as i64)];
        let (_, rows) = try_join!(self.db.execute(FORGETS, &[]), self.ask_within(&OF_FORGOTTEN, nos, with))?;
        Ok(rows)
    }

    /// Counts that. Events that the feed was trimmed past already are gone with their jobs.
    pub(crate) fn let_go(&mut self, weighed: &[Row]) -> Result<(), PgError> {
        for row in weighed {
            self.cut.bytes += row.try_get::<_, i64>(0)?;
            self.cut.remove(row.try_get(1)?);
        }
        Ok(())
    }

    /// Those of these forgotten jobs that the feed still tells of.
    pub(crate) async fn still_in_feed(&self, nos: &[i64]) -> Result<BTreeSet<i64>, PgError> {
        // Known by now, or one would overtake the other while that is still being prepared.
        self.db.prepare(&[FORGETS]).await?;
        let with: Parameters<'_> = &[&nos, &self.cut.trimmed.unwrap_or(0)];
        let (_, rows) = try_join!(self.db.execute(FORGETS, &[]), self.ask_within(&STILL_IN_FEED, nos, with))?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }

    /// Goes on from where it last came to, see [`raincheck_core::Command::Trim`].
    pub(crate) async fn trim(&mut self, trim: Trim) -> Result<Reply, PgError> {
        self.db.execute(TRIMS, &[]).await?;
        let (mut trimmed, mut bytes, head) = self.trimmed().await?;
        let retention = self.state.bounds.feed;
        let limit = i64::try_from(trim.limit).unwrap_or(i64::MAX);
        let with: Parameters<'_> = &[&trimmed, &head, &limit];
        let mut ends = Vec::new();
        for row in self.db.query(RANGE, with).await? {
            ends.extend(row.try_get::<_, Option<i64>>(0)?);
            ends.extend(row.try_get::<_, Option<i64>>(1)?);
        }
        let rows = self.ask_within(OLDEST, &ends, with).await?;
        let (mut passed, mut jobs) = (0, BTreeSet::new());
        for row in &rows {
            let cursor = row.try_get(0)?;
            if retention.keeps((Cursor(cursor), Timestamp(row.try_get(2)?)), bytes, self.now, trim) {
                break;
            }
            (passed, trimmed) = (passed + 1, cursor);
            if !row.try_get::<_, bool>(4)? {
                let weight = EVENT_BYTES as i64 + row.try_get::<_, i64>(3)?;
                (bytes, self.cut.bytes) = (bytes - weight, self.cut.bytes - weight);
                self.cut.remove(Some(trimmed));
                jobs.insert(row.try_get::<_, i64>(1)?);
            }
        }
        if passed > 0 {
            self.cut.trimmed = Some(trimmed);
            self.wrote = true;
            let jobs: Vec<i64> = jobs.into_iter().collect();
            let still_in_feed = self.still_in_feed(&jobs).await?;
            let silent: Vec<i64> = jobs.into_iter().filter(|no| !still_in_feed.contains(no)).collect();
            self.db.execute(DROPPED, &[&silent]).await?;
        }
        Ok(Reply::Swept(passed, Purged::default()))
    }

    /// Up to where the feed is trimmed, what the events of forgotten jobs above that take, and the last event of all.
    async fn trimmed(&self) -> Result<(i64, i64, i64), PgError> {
        let rows = self.db.query(&STATE, &[]).await?;
        let row = rows.first().ok_or(PgError::Refused("the feed has no state"))?;
        let trimmed = self.cut.trimmed.unwrap_or(row.try_get(0)?);
        Ok((trimmed, row.try_get::<_, i64>(1)? + self.cut.bytes, row.try_get(2)?))
    }
}
