use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use raincheck_core::{Command, Millis, Outcome, Overdue, Settle, Trim};
use raincheck_store::StoreError;

use crate::{Engine, replies};

/// Jobs queued or expired, and follow-ups carried out, in one transaction.
const DUE_BATCH: usize = 512;
/// Runs settled in one transaction.
const OVERDUE_BATCH: usize = 256;
/// Jobs purged in one transaction: few, because their payloads are read and written to go, and somebody may wait for the
/// transaction behind it.
const PURGE_BATCH: usize = 128;
/// Events that one transaction goes through at the beginning of the feed.
const TRIM_BATCH: usize = 1_024;
/// While jobs are forgotten the feed is looked at so often, milliseconds, or after so many of them: the events of those are
/// at most what is too much of it.
const TRIM_EVERY: Millis = 5_000;
const TRIM_AFTER: u64 = 4_096;
/// Else at least so often, milliseconds.
const TRIM_EVERY_MOST: Millis = 600_000;
/// Tombstones removed in one transaction.
const TOMBSTONE_BATCH: usize = 512;
/// When cleaning up is so much later than it should be, milliseconds, it is twice as urgent, and so on.
const LATE: Millis = 250;
/// It is never more urgent than so.
const URGENT: u32 = 8;
/// However urgent it is, transactions get no larger than so many times.
const LARGE: u32 = 4;
/// Where others are at what is left over, it is looked at again so much later, milliseconds.
const CATCH_UP_AGAIN: Millis = 1_000;
/// Tombstones are looked for at least this often, milliseconds.
const TOMBSTONE_EVERY_MOST: Millis = 3_600_000;

/// One thing that maintenance does. It costs no query while the store knows that nothing is due.
pub(crate) enum MaintenanceTask {
    /// Settle runs that nobody reported, or that took too long.
    Settle,
    /// Queue jobs whose time has come; fail those not started in time.
    Promote,
    /// Carry out follow-ups that were left over.
    CatchUp {
        /// Monotonic milliseconds of the next time.
        at: Millis,
    },
    /// Purge finished jobs past their retention.
    PurgeExpired,
    /// Trim the feed; the store does not say when, so from time to time.
    Trim {
        /// Monotonic milliseconds of the last time.
        last: Millis,
        /// How many jobs had been forgotten then.
        purged: u64,
    },
    /// Drop tombstones; the store does not say when, so from time to time.
    DropTombstones {
        /// Monotonic milliseconds of the next time.
        at: Millis,
    },
}

impl MaintenanceTask {
    /// Every task, the most urgent first.
    pub(crate) fn all(engine: &Engine) -> [MaintenanceTask; 6] {
        let at = engine.0.clock.ticks();
        [
            MaintenanceTask::Settle,
            MaintenanceTask::Promote,
            MaintenanceTask::CatchUp { at },
            MaintenanceTask::PurgeExpired,
            MaintenanceTask::Trim { last: at - TRIM_EVERY_MOST, purged: 0 },
            MaintenanceTask::DropTombstones { at },
        ]
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            MaintenanceTask::Settle => "settling lost runs",
            MaintenanceTask::Promote => "queueing due jobs",
            MaintenanceTask::CatchUp { .. } => "catching up with follow-ups",
            MaintenanceTask::PurgeExpired => "purging old jobs",
            MaintenanceTask::Trim { .. } => "trimming the feed",
            MaintenanceTask::DropTombstones { .. } => "forgetting tombstones",
        }
    }

    /// Whether nobody minds when it is late.
    pub(crate) fn can_wait(&self) -> bool {
        matches!(
            self,
            MaintenanceTask::PurgeExpired | MaintenanceTask::Trim { .. } | MaintenanceTask::DropTombstones { .. }
        )
    }

    /// How long until there is something to do; `None` when nothing is in sight.
    pub(crate) fn due_in(&self, engine: &Engine) -> Option<Duration> {
        Some(Duration::from_millis(self.left(engine)?.max(0) as u64))
    }

    /// From 1, when what can wait is on time, to [`URGENT`], when it is far behind: it takes so much more of the time then.
    pub(crate) fn urgency(&self, engine: &Engine) -> u32 {
        self.left(engine).map_or(1, |left| urgency(-left))
    }

    /// Milliseconds until there is something to do; less than none when it is late.
    fn left(&self, engine: &Engine) -> Option<Millis> {
        let (store, clock) = (engine.store(), &engine.0.clock);
        Some(match self {
            MaintenanceTask::Settle => store.next_overdue()? - clock.ticks(),
            MaintenanceTask::Promote => store.next_due()?.since(clock.now()),
            MaintenanceTask::CatchUp { at } => store.is_left_over().then_some(at - clock.ticks())?,
            MaintenanceTask::PurgeExpired => store.next_expiry()?.since(clock.now()),
            MaintenanceTask::Trim { last, purged } => {
                let idle = (engine.settings().feed_keep / 10).clamp(TRIM_EVERY, TRIM_EVERY_MOST);
                let forgotten = engine.counters().purged.load(Relaxed).saturating_sub(*purged);
                last + trim_pause(forgotten, idle) - clock.ticks()
            }
            MaintenanceTask::DropTombstones { at } => at - clock.ticks(),
        })
    }

    /// Does one batch; answers whether there may be more.
    pub(crate) async fn act(&mut self, engine: &Engine) -> Result<bool, StoreError> {
        let times = self.urgency(engine).min(LARGE) as usize;
        match self {
            MaintenanceTask::Settle => settle(engine).await,
            MaintenanceTask::Promote => {
                let commands = vec![Command::Promote(DUE_BATCH), Command::Expire(DUE_BATCH)];
                Ok(cleaned_up(engine, commands).await?.iter().any(|count| *count >= DUE_BATCH))
            }
            MaintenanceTask::CatchUp { at } => {
                let count: usize = cleaned_up(engine, vec![Command::CatchUp(DUE_BATCH)]).await?.iter().sum();
                if count == 0 {
                    *at = engine.0.clock.ticks() + CATCH_UP_AGAIN;
                }
                Ok(count > 0)
            }
            MaintenanceTask::PurgeExpired => {
                let most = PURGE_BATCH * times;
                let count: usize = cleaned_up(engine, vec![Command::PurgeExpired(most)]).await?.iter().sum();
                engine.counters().purged.fetch_add(count as u64, Relaxed);
                Ok(count >= most)
            }
            MaintenanceTask::Trim { last, purged } => {
                let (most, before) = (TRIM_BATCH * times, engine.counters().purged.load(Relaxed));
                let trim = Trim { limit: most, read: engine.read_by_all().await? };
                let more = cleaned_up(engine, vec![Command::Trim(trim)]).await?.iter().any(|count| *count >= most);
                if !more {
                    (*last, *purged) = (engine.0.clock.ticks(), before);
                }
                Ok(more)
            }
            MaintenanceTask::DropTombstones { at } => {
                let most = TOMBSTONE_BATCH * times;
                let more =
                    cleaned_up(engine, vec![Command::DropTombstones(most)]).await?.iter().any(|count| *count >= most);
                if !more {
                    *at =
                        engine.0.clock.ticks() + (engine.settings().tombstone / 10).clamp(1_000, TOMBSTONE_EVERY_MOST);
                }
                Ok(more)
            }
        }
    }
}

/// How long the feed may be left alone when so many jobs were forgotten since it was looked at.
fn trim_pause(forgotten: u64, idle: Millis) -> Millis {
    match forgotten {
        0 => idle,
        1..TRIM_AFTER => TRIM_EVERY,
        _ => 0,
    }
}

fn urgency(late: Millis) -> u32 {
    u32::try_from(late.max(0) / LATE).map_or(URGENT, |times| times.saturating_add(1).min(URGENT))
}

async fn settle(engine: &Engine) -> Result<bool, StoreError> {
    let overdue = engine.store().overdue(OVERDUE_BATCH).await?;
    let count = overdue.len();
    if count == 0 {
        return Ok(false);
    }
    let ends = overdue.into_iter().map(|run| {
        let outcome = match run.why {
            Overdue::Lost => Outcome::Lost,
            Overdue::TimedOut => Outcome::TimedOut,
        };
        Command::Settle(Settle { lease: run.lease, outcome })
    });
    engine.store().apply(ends.collect()).await?;
    Ok(count >= OVERDUE_BATCH)
}

/// Carries out commands that clean up, removes the files they leave, and answers how many rows each of them took.
async fn cleaned_up(engine: &Engine, commands: Vec<Command>) -> Result<Vec<usize>, StoreError> {
    let (mut counts, mut files) = (Vec::new(), Vec::new());
    for reply in engine.store().apply(commands).await? {
        let (count, left) = replies::swept(reply)?;
        counts.push(count);
        files.extend(left.blobs);
    }
    engine.remove_files(files).await;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feed_is_looked_at_before_too_much_is_forgotten() {
        assert_eq!(
            [0, 1, TRIM_AFTER - 1, TRIM_AFTER].map(|n| trim_pause(n, 60_000)),
            [60_000, TRIM_EVERY, TRIM_EVERY, 0]
        );
    }

    #[test]
    fn what_is_later_is_more_urgent() {
        let late = [Millis::MIN / 2, -1, 0, LATE - 1, LATE, 3 * LATE, 7 * LATE, 8 * LATE, 86_400_000, Millis::MAX];
        assert_eq!(late.map(urgency), [1, 1, 1, 1, 2, 4, 8, 8, 8, URGENT]);
    }
}
