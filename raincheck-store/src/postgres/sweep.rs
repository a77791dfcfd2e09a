use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use raincheck_core::{Job, Purged, Reply, decide};

use super::batch::Batch;
use super::db::Db;
use super::rows;
use super::shared::{NEVER, Shared, Trouble};

static DUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.state = 0 AND j.run_at <= $1 ORDER BY j.run_at, j.no LIMIT $2 \
         FOR UPDATE SKIP LOCKED",
        rows::JOB
    )
});
static LATE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.start_by IS NOT NULL AND j.state < 3 AND j.attempt = 0 AND j.start_by <= $1 \
         ORDER BY j.start_by, j.no LIMIT $2 FOR UPDATE SKIP LOCKED",
        rows::JOB
    )
});
const NEXT: &str = "SELECT (SELECT min(run_at) FROM job WHERE state = 0), \
    (SELECT min(start_by) FROM job WHERE start_by IS NOT NULL AND state < 3 AND attempt = 0), \
    (SELECT min(expires_at) FROM job WHERE expires_at IS NOT NULL)";

impl Batch<'_> {
    pub(super) async fn promote(&mut self, limit: usize) -> Result<Reply, Trouble> {
        let jobs = self.due(&DUE, limit).await?;
        let swept = jobs.len();
        for job in jobs {
            let (_, changes) = self.decide(|moment| decide::promote(job, moment));
            self.carry(changes)?;
        }
        Ok(Reply::Swept(swept, Purged::default()))
    }

    pub(super) async fn expire(&mut self, limit: usize) -> Result<Reply, Trouble> {
        let jobs = self.due(&LATE, limit).await?;
        let swept = jobs.len();
        for job in jobs {
            if let Some((_, changes)) = self.decide(|moment| decide::expire(job, moment)) {
                self.carry(changes)?;
            }
        }
        Ok(Reply::Swept(swept, Purged::default()))
    }

    /// Jobs an index by time says are due, at most `limit`; those that another node is at are left to it.
    pub(super) async fn due(&mut self, sql: &'static str, limit: usize) -> Result<Vec<Job>, Trouble> {
        self.swept = true;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.db.query(sql, &[&self.now.0, &limit]).await?;
        self.absorb_jobs(&found, Default::default()).await?;
        found.iter().map(|row| rows::job(row, self.shared)).collect()
    }
}

/// Finds out when the next job is due, late or past its retention, from what is on disk.
pub(super) async fn look_ahead(db: &Db, shared: &Shared) -> Result<(), Trouble> {
    for row in db.query(NEXT, &[]).await? {
        let (due, late): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let expiring: Option<i64> = row.try_get(2)?;
        shared.next_due.store(due.into_iter().chain(late).min().unwrap_or(NEVER), Ordering::Release);
        shared.next_retirement.store(expiring.unwrap_or(NEVER), Ordering::Release);
    }
    Ok(())
}
