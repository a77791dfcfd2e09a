//! What belongs to a job, from the side of what belongs.

use async_trait::async_trait;

use super::{BATCH, Look, Result, Stage};
use crate::checkup::Invariant;

/// What is looked through, and what it is called.
const TABLES: [(&str, &str); 5] = [
    ("spec", "what was asked for"),
    ("result", "a result"),
    ("report", "a report"),
    ("chunk", "a stream or log"),
    ("lease", "a lease"),
];
const BLOBS: &str = "SELECT b.name, b.no, EXISTS (SELECT 1 FROM spec s WHERE s.no=b.no AND s.blob=b.name) \
    OR EXISTS (SELECT 1 FROM result r WHERE r.no=b.no AND r.blob=b.name) \
    FROM blob b WHERE b.name COLLATE \"C\" > $1 ORDER BY b.name COLLATE \"C\" LIMIT $2";

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
        let Some((table, what)) = TABLES.get(self.table) else { return self.blobs(look).await };
        let sql = format!(
            "SELECT t.no, EXISTS (SELECT 1 FROM job j WHERE j.no=t.no) \
             FROM (SELECT DISTINCT no FROM {table} WHERE no>$1 ORDER BY no LIMIT $2) t ORDER BY t.no"
        );
        let rows = look.rows(&sql, &[&self.after, &(BATCH as i64)]).await?;
        for row in &rows {
            self.after = row.try_get(0)?;
            if !row.try_get::<_, bool>(1)? {
                let subject = format!("job number {}", self.after);
                look.page.found(Invariant::Belongings, subject, format!("{what} is here, the job is not"));
            }
        }
        look.page.looked += rows.len() as u64;
        if rows.len() < BATCH {
            (self.table, self.after) = (self.table + 1, 0);
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
        look.page.looked += rows.len() as u64;
        Ok(rows.len() == BATCH)
    }
}
