//! Every claim: the job that it stands for is here, or was purged and is remembered.

use async_trait::async_trait;
use uuid::Uuid;

use super::{BATCH, Look, Result, Stage};
use crate::checkup::Invariant;
use crate::postgres::rows;

const PAGE: &str = "SELECT c.scope, c.key, c.no, j.queue, j.id, t.id, j.flags FROM claim c \
    LEFT JOIN job j ON j.no=c.no LEFT JOIN tombstone t ON t.no=c.no \
    WHERE (c.scope, c.key) > ($1, $2) ORDER BY c.scope, c.key LIMIT $3";

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

#[async_trait]
impl Stage for Claims {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let page = look.rows(PAGE, &[&self.scope, &self.key, &(BATCH as i64)]).await?;
        for row in &page {
            let (scope, key, no): (i64, Vec<u8>, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let queue: Option<i64> = row.try_get::<_, Option<i32>>(3)?.map(i64::from);
            let (here, buried): (Option<Uuid>, Option<Uuid>) = (row.try_get(4)?, row.try_get(5)?);
            let is_get = row.try_get::<_, Option<i16>>(6)?.is_some_and(|flags| flags & rows::GET != 0);
            let (what, of_queue) = match scope {
                0 => ("a chosen id", None),
                odd if odd % 2 == 1 => ("a key", Some(odd / 2)),
                even => ("an equal job", Some(even / 2 - 1)),
            };
            let wrong = match (here, buried) {
                (None, None) => Some("a job that is neither here nor remembered"),
                (None, Some(_)) if what == "an equal job" => Some("a job that was purged"),
                (None, Some(id)) if scope == 0 && key != id.as_bytes() => Some("a purged job of another id"),
                (Some(id), _) if scope == 0 && key != id.as_bytes() => Some("a job of another id"),
                (Some(_), _) if of_queue.is_some() && of_queue != queue => Some("a job of another queue"),
                (Some(_), _) if what == "an equal job" && !is_get => Some("a POST job"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                let subject = here.map_or_else(|| format!("job number {no}"), |id| id.to_string());
                let detail = format!("{what}, {:?}, stands for {wrong}", String::from_utf8_lossy(&key));
                look.page.found(Invariant::Claims, subject, detail);
            }
            (self.scope, self.key) = (scope, key);
        }
        look.page.looked += page.len() as u64;
        Ok(page.len() == BATCH)
    }
}
