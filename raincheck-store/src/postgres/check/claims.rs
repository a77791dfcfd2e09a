//! Every claim: the job that it stands for is here, or was purged and is remembered.

use std::time::Instant;

use async_trait::async_trait;
use raincheck_core::JobId;
use uuid::Uuid;

use super::stage::{BATCH, Look, Result, Stage};
use crate::codec::unpacked_jobs;
use crate::columns::Flags;
use crate::rules::{Claim, Owner};

const PAGE: &str = "SELECT c.scope, c.key, c.no, j.queue, j.id, t.id, j.flags, c.queue, c.jobs FROM claim c \
    LEFT JOIN job j ON j.no=c.no LEFT JOIN tombstone t ON t.no=c.no \
    WHERE (c.scope, c.queue, c.key) > ($1, $2, $3) ORDER BY c.scope, c.queue, c.key LIMIT $4";

/// Jobs of a batch that are neither here nor remembered, though none of so high a number was ever forgotten.
const LOST: &str = "SELECT u.no FROM unnest($1::bigint[]) AS u (no) \
    WHERE u.no > coalesce((SELECT number FROM meta WHERE name = 'last_dropped'), 0) \
    AND NOT EXISTS (SELECT FROM job j WHERE j.no = u.no) AND NOT EXISTS (SELECT FROM tombstone t WHERE t.no = u.no)";

/// The last claim that was looked at.
pub(super) struct Claims {
    scope: i16,
    queue: i32,
    key: Vec<u8>,
}

impl Default for Claims {
    fn default() -> Self {
        Claims { scope: -1, queue: 0, key: Vec::new() }
    }
}

#[async_trait]
impl Stage for Claims {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let page = look.rows(PAGE, &[&self.scope, &self.queue, &self.key, &(BATCH as i64)]).await?;
        for row in &page {
            let (scope, queue): (i16, i32) = (row.try_get(0)?, row.try_get(7)?);
            let (key, no): (Vec<u8>, i64) = (row.try_get(1)?, row.try_get(2)?);
            let here = match row.try_get::<_, Option<i32>>(3)? {
                Some(queue) => Some(Owner {
                    id: JobId(row.try_get(4)?),
                    queue: queue.into(),
                    is_get: row.try_get::<_, i16>(6)? & Flags::GET != 0,
                }),
                None => None,
            };
            let tombstone = row.try_get::<_, Option<Uuid>>(5)?.map(Uuid::into_bytes);
            let jobs: Option<&[u8]> = row.try_get(8)?;
            let lost = match jobs.and_then(unpacked_jobs) {
                Some(jobs) => {
                    let jobs: Vec<i64> = jobs.iter().map(|no| no.0).collect();
                    look.rows(LOST, &[&jobs]).await?.len()
                }
                None => 0,
            };
            Claim { scope: scope.into(), queue: queue.into(), key: &key, no, here, tombstone, jobs, lost }
                .judge(look.page);
            (self.scope, self.queue, self.key) = (scope, queue, key);
            look.page.examined += 1;
            // Batches may be long looks.
            if jobs.is_some() && Instant::now() >= look.until {
                return Ok(true);
            }
        }
        Ok(page.len() == BATCH)
    }
}
