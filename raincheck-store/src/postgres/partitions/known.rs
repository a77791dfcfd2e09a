//! Partitions by job number, and so by time: what is written about the jobs of one lies in tables of its own.

use std::collections::BTreeMap;

use parking_lot::RwLock;
use raincheck_core::{JobNo, Millis, Timestamp};
use tokio_postgres::{Client, GenericClient, Transaction};

use crate::postgres::error::PgError;

/// The tables that are cut into partitions: those of what goes with its job, and the feed's.
pub(crate) const PAYLOADS: [&str; 4] = ["spec", "result", "report", "chunk"];
pub(crate) const EVENTS: [&str; 1] = ["event"];
/// Bits of a job's number below the millisecond it was made in.
const BELOW_MILLIS: u32 = 15;
/// One partition is made at a time, whichever node does it.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8241990467023)";
const KNOWN: &str = "SELECT low, high, suffix IS NOT NULL FROM partition";
const MAKE: &str = "INSERT INTO partition (low, high, suffix, events) SELECT $1, $2, name, name \
    FROM (SELECT to_char(to_timestamp($3::double precision / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD') || '_' || \
    nextval('partition_number') AS name) AS new RETURNING suffix";
/// Where nothing but events is left: a clock was set back by much.
const REVIVE: &str = "UPDATE partition SET suffix = split_part(events, '_', 1) || '_' || nextval('partition_number'), last = NULL \
    WHERE low <= $1 AND high > $1 AND suffix IS NULL RETURNING suffix, low, high";

/// Job numbers from the first to before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub low: i64,
    pub high: i64,
}

impl Span {
    /// Writes it into a statement, for `{low}` and `{high}`. What is written there and not given to it is known to whoever
    /// plans it: of the partitions, only those within are thought of, locked and looked into.
    pub fn put_into(self, sql: &str) -> String {
        sql.replace("{low}", &self.low.to_string()).replace("{high}", &self.high.to_string())
    }
}

/// The least number of a job that is made then.
pub(crate) fn first_of(at: Timestamp) -> i64 {
    at.0.max(0) << BELOW_MILLIS
}

/// The partitions that there are, as far as this node knows, and how long those will be that it makes.
#[derive(Debug)]
pub(crate) struct Partitions {
    length: i64,
    /// Where each ends, by where it begins; and whether there are all partitions, not only that of events.
    known: RwLock<BTreeMap<i64, (i64, bool)>>,
}

impl Partitions {
    pub fn of(length: Millis) -> Self {
        Partitions { length: length.clamp(1, i64::MAX >> (BELOW_MILLIS + 1)) << BELOW_MILLIS, known: RwLock::default() }
    }

    /// Whether there are partitions for this number.
    pub fn cover(&self, no: JobNo) -> bool {
        self.known.read().range(..=no.0).next_back().is_some_and(|(_, (high, whole))| no.0 < *high && *whole)
    }

    /// Where the partition of a number ends.
    pub fn end_of(&self, no: JobNo) -> i64 {
        let known = self.known.read();
        let partition = known.range(..=no.0).next_back().filter(|(_, (high, _))| no.0 < *high);
        partition.map_or_else(|| self.around(no).high, |(_, (high, _))| *high)
    }

    /// Where a number lies, by the length alone: whatever partitions there are.
    pub fn around(&self, no: JobNo) -> Span {
        let low = no.0.div_euclid(self.length) * self.length;
        Span { low, high: low.saturating_add(self.length) }
    }

    /// The same, of all these numbers together; of none, nothing.
    pub fn around_all(&self, nos: impl IntoIterator<Item = i64>) -> Span {
        let ends = nos.into_iter().fold(None, |ends: Option<(i64, i64)>, no| {
            Some(ends.map_or((no, no), |(least, most)| (least.min(no), most.max(no))))
        });
        ends.map_or(Span { low: 0, high: 0 }, |(least, most)| Span {
            low: self.around(JobNo(least)).low,
            high: self.around(JobNo(most)).high,
        })
    }

    /// Reads which there are.
    pub async fn load(&self, db: &impl GenericClient) -> Result<(), PgError> {
        let rows = db.query(KNOWN, &[]).await?;
        let known = rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?))));
        let known = known.collect::<Result<_, tokio_postgres::Error>>()?;
        *self.known.write() = known;
        Ok(())
    }

    /// Sees to it that there are partitions for numbers of then and of one length later; answers how many were made.
    pub async fn make_ahead(&self, db: &mut Client, now: Timestamp) -> Result<usize, PgError> {
        let first = first_of(now);
        let mut made = 0;
        for no in [first, first.saturating_add(self.length)] {
            if !self.cover(JobNo(no)) {
                made += usize::from(self.make(db, JobNo(no)).await?);
            }
        }
        Ok(made)
    }

    /// Makes partitions for a number, in a transaction of its own; answers whether there were none.
    pub async fn make(&self, db: &mut Client, no: JobNo) -> Result<bool, PgError> {
        let transaction = db.transaction().await?;
        let made = self.make_locked(&transaction, no).await?;
        transaction.commit().await?;
        self.load(db).await?;
        Ok(made)
    }

    async fn make_locked(&self, db: &Transaction<'_>, no: JobNo) -> Result<bool, PgError> {
        db.execute(LOCK, &[]).await?;
        self.load(db).await?;
        if self.cover(no) {
            return Ok(false);
        }
        if let Some(row) = db.query_opt(REVIVE, &[&no.0]).await? {
            let span = Span { low: row.try_get(1)?, high: row.try_get(2)? };
            make_all(db, &PAYLOADS, row.try_get(0)?, span).await?;
            return Ok(true);
        }
        // Up to its neighbors, which may have been made when partitions were longer or shorter.
        let Span { low, high } = self.around(no);
        let low = self.known.read().range(..=no.0).next_back().map_or(low, |(_, (end, _))| low.max(*end));
        let high = self.known.read().range(no.0..).next().map_or(high, |(begin, _)| high.min(*begin));
        let at = (low >> BELOW_MILLIS) as f64;
        let row = db.query_one(MAKE, &[&low, &high, &at]).await?;
        let suffix: &str = row.try_get(0)?;
        make_all(db, &PAYLOADS, suffix, Span { low, high }).await?;
        make_all(db, &EVENTS, suffix, Span { low, high }).await?;
        tracing::debug!(suffix, "made partitions");
        Ok(true)
    }
}

async fn make_all(db: &Transaction<'_>, tables: &[&str], suffix: &str, span: Span) -> Result<(), PgError> {
    for table in tables {
        db.batch_execute(&creation(table, suffix)).await?;
        db.batch_execute(&attachment(table, suffix, span)).await?;
    }
    Ok(())
}

/// Makes a table like a partition of `table`, which it is not yet: so nobody waits for it who uses the others.
pub(crate) fn creation(table: &str, suffix: &str) -> String {
    // Rows that are written to again leave room for that.
    let room = if table == "report" { " WITH (fillfactor = 80)" } else { "" };
    format!("CREATE TABLE {table}_{suffix} (LIKE {table} INCLUDING ALL){room}")
}

/// Makes it one.
pub(crate) fn attachment(table: &str, suffix: &str, Span { low, high }: Span) -> String {
    format!("ALTER TABLE {table} ATTACH PARTITION {table}_{suffix} FOR VALUES FROM ({low}) TO ({high})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_one_partition() {
        let partitions = Partitions::of(1_000);
        for no in [0, 1, 1_000 << 15, (1_000 << 15) - 1, 1_760_000_000_123 << 15, i64::MAX] {
            let Span { low, high } = partitions.around(JobNo(no));
            assert!(low <= no && (no < high || high == i64::MAX), "{no}");
            assert_eq!(low % (1_000 << 15), 0);
        }
        let both = partitions.around_all([5, 1_001 << 15]);
        assert_eq!(both, Span { low: 0, high: 2_000 << 15 });
        assert_eq!(partitions.around_all([]), Span { low: 0, high: 0 });
    }

    #[test]
    fn only_what_is_known_is_covered() {
        let partitions = Partitions::of(1_000);
        partitions.known.write().extend([(100, (200, true)), (300, (400, true)), (500, (600, false))]);
        let covered = [99, 100, 199, 200, 299, 300, 399, 400, 550].map(|no| partitions.cover(JobNo(no)));
        assert_eq!(covered, [false, true, true, false, false, true, true, false, false]);
        assert_eq!(partitions.end_of(JobNo(550)), 600);
    }
}
