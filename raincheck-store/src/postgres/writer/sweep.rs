use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Instant;

use raincheck_core::interpreter::{self, Due, Fact, Facts};
use raincheck_core::{Command, Job, Reply};

use super::batch::Batch;
use super::purge::EXPIRED;
use super::scan_start::{ScanKey, ScanStarts};
use crate::columns::number::{RUNNING, SCHEDULED};
use crate::postgres::connection::db::Db;
use crate::postgres::error::PgError;
use crate::postgres::shared::{NEVER, Shared};
use crate::postgres::tables::rows;

static DUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.state = {SCHEDULED} AND j.run_at <= $1 AND j.run_at >= $3 \
         ORDER BY j.run_at, j.no LIMIT $2 FOR UPDATE SKIP LOCKED",
        rows::JOB
    )
});
static LATE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.start_by IS NOT NULL AND j.state < {RUNNING} AND j.attempt = 0 \
         AND j.start_by <= $1 AND j.start_by >= $3 ORDER BY j.start_by, j.no LIMIT $2 FOR UPDATE SKIP LOCKED",
        rows::JOB
    )
});
static NEXT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT min(run_at) FROM job WHERE state = {SCHEDULED} AND run_at >= $1), \
         (SELECT min(start_by) FROM job WHERE start_by IS NOT NULL AND state < {RUNNING} AND attempt = 0 \
         AND start_by >= $2), (SELECT min(expires_at) FROM job WHERE expires_at IS NOT NULL AND expires_at >= $3), \
         EXISTS (SELECT FROM follow_up)"
    )
});

impl Batch<'_> {
    /// Carries out a command about jobs whose time has come.
    pub(crate) async fn sweep(&mut self, command: &Command) -> Result<Reply, PgError> {
        let mut facts = Facts::default();
        if let Some(due) = interpreter::needs(command, &facts).due {
            facts.due = Fact::Here(self.due(due).await?);
        }
        let carried = self.decide(|moment| interpreter::carry_out(command.clone(), facts, moment));
        self.take_over(carried)
    }

    /// Jobs an index by time says are due; those that another node is at are left to it.
    async fn due(&mut self, due: Due) -> Result<Vec<Job>, PgError> {
        let (sql, key, limit): (&'static str, _, _) = match due {
            Due::Scheduled(limit) => (&DUE, ScanKey::Due, limit),
            Due::Late(limit) => (&LATE, ScanKey::StartBy, limit),
            Due::Expired(limit) => (&EXPIRED, ScanKey::Expired, limit),
        };
        let at = |job: &Job| match due {
            Due::Scheduled(_) => Some(job.run_at),
            Due::Late(_) => job.start_by,
            Due::Expired(_) => job.expires_at,
        };
        self.swept = true;
        let (begin, from) = (Instant::now(), self.state.scan_starts.of(&key));
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.db.query(sql, &[&self.now.0, &most, &from]).await?;
        let took = begin.elapsed();
        self.absorb_jobs(&found, Default::default()).await?;
        let jobs: Vec<Job> = found.iter().map(|row| rows::job(row, &self.shared.names)).collect::<Result<_, _>>()?;
        let last = jobs.last().filter(|_| jobs.len() == limit).and_then(at);
        self.state.scan_starts.scanned(key, from, last.unwrap_or(self.now).0, took);
        Ok(jobs)
    }
}

/// Finds out when the next job is due, late or past its retention, and whether something was left over, from what is on
/// disk.
pub(crate) async fn look_ahead(db: &Db, shared: &Shared, scan_starts: &ScanStarts) -> Result<(), PgError> {
    let keys = [ScanKey::Due, ScanKey::StartBy, ScanKey::Expired];
    let [due, late, expired] = keys.each_ref().map(|key| scan_starts.of(key));
    for row in db.query(&NEXT, &[&due, &late, &expired]).await? {
        // What may have been passed over is looked for when it no longer is.
        let again = |key| scan_starts.lasts(key).map(|left| shared.clock.now().plus(left.as_millis() as i64 + 1).0);
        let mut next = [NEVER; 3];
        for ((at, key), next) in (0..).zip(&keys).zip(&mut next) {
            *next = row.try_get::<_, Option<i64>>(at)?.into_iter().chain(again(key)).min().unwrap_or(NEVER);
        }
        shared.next_due.store(next[0].min(next[1]), Ordering::Release);
        shared.next_expiry.store(next[2], Ordering::Release);
        shared.left_over.store(row.try_get(3)?, Ordering::Release);
    }
    Ok(())
}
