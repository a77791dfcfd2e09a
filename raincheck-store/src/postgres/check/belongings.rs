//! What belongs to a job, from the side of what belongs.

use async_trait::async_trait;

use super::stage::{BATCH, Look, Result, Stage};
use crate::checkup::Invariant;

/// What is looked through, what it is called, and whether it may outlive its job.
const TABLES: [(&str, &str, bool); 5] = [
    ("spec", "what was asked for", true),
    ("result", "a result", true),
    ("report", "a report", true),
    ("chunk", "a stream or log", true),
    ("lease", "a lease", false),
];
/// The next partition above this number, and which jobs were forgotten for so long that nothing remembers them.
const PARTITION: &str = "SELECT high, (SELECT number FROM meta WHERE name='last_dropped') FROM partition \
    WHERE high - 1 > $1 ORDER BY low LIMIT 1";
const BLOBS: &str = "SELECT b.name, b.no, EXISTS (SELECT 1 FROM spec s WHERE s.no=b.no AND s.blob=b.name) \
    OR EXISTS (SELECT 1 FROM result r WHERE r.no=b.no AND r.blob=b.name) \
    FROM blob b WHERE b.no > 0 AND b.name COLLATE \"C\" > $1 ORDER BY b.name COLLATE \"C\" LIMIT $2";

/// Which table, and how far.
#[derive(Default)]
pub(super) struct Belongings {
    table: usize,
    after: i64,
    name: String,
}

#[async_trait]
impl Stage for Belongings {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let Some((table, what, lingers)) = TABLES.get(self.table) else { return self.blobs(look).await };
        let (mut high, mut forgotten) = (i64::MAX, None::<i64>);
        if *lingers {
            // One partition at a time, so that no other is opened for it.
            let Some(partition) = look.rows(PARTITION, &[&self.after]).await?.into_iter().next() else {
                (self.table, self.after) = (self.table + 1, 0);
                return Ok(true);
            };
            (high, forgotten) = (partition.try_get(0)?, partition.try_get(1)?);
        }
        // What is written about a job may stay until its partition goes, when the job was forgotten by the rules.
        let sql = format!(
            "SELECT t.no, EXISTS (SELECT 1 FROM job j WHERE j.no=t.no) OR {lingers} AND (t.no<=$4 OR EXISTS (SELECT 1 \
             FROM tombstone d WHERE d.no=t.no)) \
             FROM (SELECT DISTINCT no FROM {table} WHERE no>$1 AND no<$3 ORDER BY no LIMIT $2) t ORDER BY t.no"
        );
        let forgotten = forgotten.unwrap_or(-1);
        let rows = look.rows(&sql, &[&self.after, &(BATCH as i64), &high, &forgotten]).await?;
        for row in &rows {
            self.after = row.try_get(0)?;
            if !row.try_get::<_, bool>(1)? {
                let subject = format!("job number {}", self.after);
                look.page.found(Invariant::Belongings, subject, format!("{what} is here, the job is not"));
            }
        }
        look.page.examined += rows.len() as u64;
        if rows.len() < BATCH {
            (self.table, self.after) = if *lingers { (self.table, high - 1) } else { (self.table + 1, 0) };
        }
        Ok(true)
    }
}

impl Belongings {
    /// Files that are written down as some job's own.
    async fn blobs(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let rows = look.rows(BLOBS, &[&self.name, &(BATCH as i64)]).await?;
        for row in &rows {
            self.name = row.try_get(0)?;
            if !row.try_get::<_, bool>(2)? {
                let detail =
                    format!("it is kept for job number {}, which does not refer to it", row.try_get::<_, i64>(1)?);
                look.page.found(Invariant::Belongings, format!("file {}", self.name), detail);
            }
        }
        look.page.examined += rows.len() as u64;
        Ok(rows.len() == BATCH)
    }
}
