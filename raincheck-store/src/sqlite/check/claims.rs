//! Every claim: the job that it stands for is here, or was purged and is remembered.

use rusqlite::{Result, params};

use super::{BATCH, Look, Stage};
use crate::checkup::Invariant;
use crate::columns::Flags;
use crate::rules::{Claim, Owner, forward};
use crate::sqlite::rows;

/// The last claim that was looked at.
pub(super) struct Claims((i64, i64, Vec<u8>));

impl Default for Claims {
    fn default() -> Self {
        Claims((-1, 0, Vec::new()))
    }
}

impl Stage for Claims {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let mut statement = look.db.prepare_cached(
            "SELECT c.scope, c.key, c.no, j.queue, j.salt, j.given, t.id, j.flags, c.queue FROM claim c \
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
            Claim { scope, queue, key: &key, no, here, buried: row.get(6)? }.judge(look.page);
            if !forward(&mut self.0, (scope, queue, key)) {
                return look.circle("claims");
            }
        }
        look.page.looked += count as u64;
        Ok(count == BATCH)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Claims]
    }
}
