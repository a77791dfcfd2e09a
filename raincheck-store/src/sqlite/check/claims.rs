//! Every claim: the job that it stands for is here, or was purged and is remembered.

use rusqlite::{Result, params};

use super::{BATCH, Look, Stage};
use crate::checkup::Invariant;
use crate::sqlite::rows;

/// The last claim that was looked at.
pub(super) struct Claims {
    scope: i64,
    key: Vec<u8>,
}

impl Default for Claims {
    fn default() -> Self {
        Claims { scope: -1, key: Vec::new() }
    }
}

impl Stage for Claims {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let mut statement = look.db.prepare_cached(
            "SELECT c.scope, c.key, c.no, j.queue, j.salt, j.given, t.id, j.flags FROM claim c \
             LEFT JOIN job j ON j.no=c.no LEFT JOIN tombstone t ON t.no=c.no \
             WHERE (c.scope, c.key) > (?1, ?2) ORDER BY c.scope, c.key LIMIT ?3",
        )?;
        let mut rows = statement.query(params![self.scope, self.key, BATCH as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            let (scope, key, no): (i64, Vec<u8>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let queue: Option<i64> = row.get(3)?;
            let buried: Option<[u8; 16]> = row.get(6)?;
            let here = queue.map(|_| Ok::<_, rusqlite::Error>(rows::id(no, row.get(4)?, row.get(5)?))).transpose()?;
            let (what, of_queue) = match scope {
                0 => ("a chosen id", None),
                odd if odd % 2 == 1 => ("a key", Some(odd / 2)),
                even => ("an equal job", Some(even / 2 - 1)),
            };
            let wrong = match (here, buried) {
                (None, None) => Some("a job that is neither here nor remembered"),
                (None, Some(_)) if what == "an equal job" => Some("a job that was purged"),
                (None, Some(id)) if scope == 0 && key != id => Some("a purged job of another id"),
                (Some(id), _) if scope == 0 && key != id.0.as_bytes() => Some("a job of another id"),
                (Some(_), _) if of_queue.is_some() && of_queue != queue => Some("a job of another queue"),
                (Some(_), _) if what == "an equal job" && row.get::<_, i64>(7)? & rows::GET == 0 => Some("a POST job"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                let subject = here.map_or_else(|| format!("job number {no}"), |id| id.to_string());
                let detail = format!("{what}, {:?}, stands for {wrong}", String::from_utf8_lossy(&key));
                look.page.found(Invariant::Claims, subject, detail);
            }
            (self.scope, self.key) = (scope, key);
        }
        look.page.looked += count as u64;
        Ok(count == BATCH)
    }
}
