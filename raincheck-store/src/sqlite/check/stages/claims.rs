//! Every claim: the job that it stands for is here, or was purged and is remembered.

use raincheck_core::JobNo;
use rusqlite::{Connection, Result, params};

use crate::checkup::Invariant;
use crate::codec::unpacked_jobs;
use crate::columns::Flags;
use crate::rules::{Claim, Owner, forward};
use crate::sqlite::check::stage::{BATCH, Look, Stage};
use crate::sqlite::tables::rows;

/// The last claim that was looked at.
pub(crate) struct Claims((i64, i64, Vec<u8>));

impl Default for Claims {
    fn default() -> Self {
        Claims((-1, 0, Vec::new()))
    }
}

/// How many jobs of a batch are neither here nor remembered, though none of so high a number was ever forgotten.
fn lost(db: &Connection, jobs: &[u8]) -> Result<usize> {
    let mut known = db.prepare_cached(
        "SELECT 1 FROM meta WHERE name='last_dropped' AND value>=?1 UNION ALL SELECT 1 FROM job WHERE no=?1 \
         UNION ALL SELECT 1 FROM tombstone WHERE no=?1",
    )?;
    let mut lost = 0;
    for JobNo(no) in unpacked_jobs(jobs).iter().flat_map(|jobs| jobs.iter()) {
        lost += usize::from(!known.exists([no])?);
    }
    Ok(lost)
}

impl Stage for Claims {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let mut statement = look.db.prepare_cached(
            "SELECT c.scope, c.key, c.no, j.queue, j.random_bits, j.client_id, t.id, j.flags, c.queue, c.jobs \
             FROM claim c \
             LEFT JOIN job j ON j.no=c.no LEFT JOIN tombstone t ON t.no=c.no \
             WHERE (c.scope, c.queue, c.key) > (?1, ?2, ?3) ORDER BY c.scope, c.queue, c.key LIMIT ?4",
        )?;
        let mut rows = statement.query(params![self.0.0, self.0.1, self.0.2, BATCH as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            let (scope, queue): (i64, i64) = (row.get(0)?, row.get(8)?);
            let (key, no): (Vec<u8>, i64) = (row.get(1)?, row.get(2)?);
            let here = match row.get(3)? {
                Some(queue) => Some(Owner {
                    id: rows::id(no, row.get(4)?, row.get(5)?),
                    queue,
                    is_get: row.get::<_, i16>(7)? & Flags::GET != 0,
                }),
                None => None,
            };
            let jobs: Option<Vec<u8>> = row.get(9)?;
            let lost = jobs.as_deref().map(|jobs| lost(look.db, jobs)).transpose()?.unwrap_or(0);
            let (jobs, is_batch) = (jobs.as_deref(), jobs.is_some());
            Claim { scope, queue, key: &key, no, here, tombstone: row.get(6)?, jobs, lost }.judge(look.page);
            if !forward(&mut self.0, (scope, queue, key)) {
                return look.circle("claims");
            }
            if is_batch {
                // It was a long look already.
                look.page.examined += count as u64;
                return Ok(true);
            }
        }
        look.page.examined += count as u64;
        Ok(count == BATCH)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Claims]
    }
}
