//! What belongs to a job, from the side of what belongs.

use rusqlite::{Result, params};

use crate::checkup::Invariant;
use crate::rules::forward;
use crate::sqlite::check::stage::{BATCH, Look, Stage};

/// What is looked through: where its jobs' numbers come from above one, and what it is called.
const TABLES: [(&str, &str); 4] = [
    ("SELECT no FROM spec WHERE no>?1 ORDER BY no LIMIT ?2", "what was asked for"),
    ("SELECT no FROM result WHERE no>?1 ORDER BY no LIMIT ?2", "a result"),
    ("SELECT no FROM report WHERE no>?1 ORDER BY no LIMIT ?2", "a report"),
    ("SELECT DISTINCT no FROM chunk INDEXED BY chunk_place WHERE no>?1 ORDER BY no LIMIT ?2", "a stream or log"),
];

/// Which table, and how far.
#[derive(Default)]
pub(crate) struct Belongings {
    table: usize,
    after: i64,
    name: String,
}

impl Stage for Belongings {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let Some((sql, what)) = TABLES.get(self.table) else { return self.blobs(look) };
        let mut statement = look.db.prepare_cached(&format!(
            "SELECT t.no, EXISTS (SELECT 1 FROM job j WHERE j.no=t.no) FROM ({sql}) t ORDER BY t.no"
        ))?;
        let mut rows = statement.query(params![self.after, BATCH as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if !forward(&mut self.after, row.get(0)?) {
                return look.circle(what);
            }
            if !row.get::<_, bool>(1)? {
                look.page.found(
                    Invariant::Belongings,
                    format!("job number {}", self.after),
                    format!("{what} is here, the job is not"),
                );
            }
        }
        look.page.examined += count as u64;
        if count < BATCH {
            (self.table, self.after) = (self.table + 1, 0);
        }
        Ok(true)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Belongings]
    }
}

impl Belongings {
    /// Files that are written down as some job's own.
    fn blobs(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let mut statement = look.db.prepare_cached(
            "SELECT b.name, b.no, EXISTS (SELECT 1 FROM spec s WHERE s.no=b.no AND s.blob=b.name) \
             OR EXISTS (SELECT 1 FROM result r WHERE r.no=b.no AND r.blob=b.name) \
             FROM blob b WHERE b.name>?1 ORDER BY b.name LIMIT ?2",
        )?;
        let mut rows = statement.query(params![self.name, BATCH as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if !forward(&mut self.name, row.get(0)?) {
                return look.circle("the names of files");
            }
            if !row.get::<_, bool>(2)? {
                let detail = format!("it is kept for job number {}, which does not refer to it", row.get::<_, i64>(1)?);
                look.page.found(Invariant::Belongings, format!("file {}", self.name), detail);
            }
        }
        look.page.examined += count as u64;
        Ok(count == BATCH)
    }
}
