use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use raincheck_core::Job;
use raincheck_core::interpreter::Due;
use rusqlite::params;

use super::purge::EXPIRED;
use super::state::WriterState;
use crate::columns::joined;
use crate::columns::number::{RUNNING, SCHEDULED};
use crate::sqlite::error::Result;
use crate::sqlite::shared::NEVER;
use crate::sqlite::tables::follow_ups::is_left_over;
use crate::sqlite::tables::rows;

static DUE: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {} FROM job j WHERE j.state={SCHEDULED} AND j.run_at<=?1 ORDER BY j.run_at LIMIT ?2", rows::JOB)
});
static LATE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.start_by IS NOT NULL AND j.state<{RUNNING} AND j.attempt=0 AND j.start_by<=?1 \
         ORDER BY j.start_by LIMIT ?2",
        rows::JOB
    )
});

pub(crate) const NEXT_SCHEDULED: &str = joined!(["SELECT min(run_at) FROM job WHERE state=", SCHEDULED]);
pub(crate) const NEXT_LATE: &str = joined!([
    "SELECT min(start_by) FROM job INDEXED BY job_start_by WHERE start_by IS NOT NULL AND state<",
    RUNNING,
    " AND attempt=0"
]);

/// Jobs an index by time says are due.
pub(super) fn due(writer: &mut WriterState<'_>, due: Due) -> Result<Vec<Job>> {
    let (sql, limit) = match due {
        Due::Scheduled(limit) => (&DUE, limit),
        Due::Late(limit) => (&LATE, limit),
        Due::Expired(limit) => (&EXPIRED, limit),
    };
    writer.swept = true;
    let now = writer.shared.clock.now().0;
    writer
        .db
        .prepare_cached(sql)?
        .query_and_then(params![now, limit as i64], |row| rows::job(row, &writer.shared.names))?
        .collect()
}

/// Finds out when the next job is due, late or past its retention, and whether something was left over, from what is on
/// disk.
pub(super) fn look_ahead(writer: &WriterState<'_>) -> Result<()> {
    let first = |sql: &str| writer.db.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0));
    let scheduled = first(NEXT_SCHEDULED)?;
    let late = first(NEXT_LATE)?;
    let next = scheduled.into_iter().chain(late).min().unwrap_or(NEVER);
    writer.shared.next_due.store(next, Ordering::Release);
    let expiring = first("SELECT min(expires_at) FROM job WHERE expires_at IS NOT NULL")?;
    writer.shared.next_expiry.store(expiring.unwrap_or(NEVER), Ordering::Release);
    writer.shared.left_over.store(is_left_over(writer.db)?, Ordering::Release);
    Ok(())
}
