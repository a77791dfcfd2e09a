//! What nobody asks for and still has to happen: due jobs, lost runs, retention. Beside it, slower: the search for broken
//! promises and for files that are in nobody's use.

pub(crate) mod litter;
pub(crate) mod orphans;
pub(crate) mod selfcheck;
mod task;

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use self::task::MaintenanceTask;
use crate::Engine;

/// The clocks are looked at this often. They are the engine's own, which a test steps, so no timer can be set by
/// them.
const TICK: Duration = Duration::from_millis(250);
/// A store may say too early that something is due; it is not asked again at once.
const TOO_EARLY: Duration = Duration::from_millis(10);
/// Wait after a first failure; doubles up to [`BACKOFF_MOST`].
const BACKOFF: Duration = Duration::from_millis(250);
const BACKOFF_MOST: Duration = Duration::from_secs(30);

/// A task and when it may be done again.
struct Plan {
    task: MaintenanceTask,
    not_before: Instant,
    failures: u32,
}

/// Does it all, one tick after the other. A tick is:
///
/// 1. [`Settle`](MaintenanceTask::Settle): runs whose lease ran out end as lost, those over their time limit as timed out.
/// 2. [`Promote`](MaintenanceTask::Promote): jobs whose time has come become queued; those not started in time fail.
/// 3. [`CatchUp`](MaintenanceTask::CatchUp): follow-ups that transactions left over are carried out.
/// 4. [`PurgeExpired`](MaintenanceTask::PurgeExpired): finished jobs past their retention go, and their files.
/// 5. [`Trim`](MaintenanceTask::Trim): the oldest events of forgotten jobs go that every named reader has read.
/// 6. [`DropTombstones`](MaintenanceTask::DropTombstones): tombstones past their time go.
/// 7. It sleeps until the next of these is due, a quarter of a second at most. A commit that schedules something meanwhile
///    has it do step 2 alone.
///
/// Each step does one batch, and only where it is due: in its time, and rested. Steps 4 to 6 rest after a batch, the less the
/// further they are behind; one that failed waits for longer each time, and holds up no other.
pub(crate) async fn run(engine: Engine) {
    let now = Instant::now();
    let mut plans = MaintenanceTask::all(&engine).map(|task| Plan { task, not_before: now, failures: 0 });
    let mut was_well = true;
    loop {
        // What failed because the store was away is done as soon as it is back: runs are over their time limits.
        let is_well = engine.store().health().is_ok();
        if is_well && !was_well {
            plans.iter_mut().for_each(Plan::begin_anew);
        }
        was_well = is_well;
        for plan in &mut plans {
            plan.act_if_due(&engine).await;
        }
        let next = plans.iter().map(|plan| plan.left(&engine)).min().unwrap_or(TICK);
        let mut until = Instant::now() + next.min(TICK);
        // Pokes come with every commit that schedules something; looking at all tasks each time would cost more
        // than the tasks.
        while timeout_at(until, engine.0.due_sooner.notified()).await.is_ok() {
            for plan in plans.iter_mut().filter(|plan| matches!(plan.task, MaintenanceTask::Promote)) {
                plan.act_if_due(&engine).await;
                until = until.min(Instant::now() + plan.left(&engine));
            }
        }
    }
}

/// How long cleaning up rests after a batch that took so long: a fifth of the time is its own while it is on time, so that
/// a busy store is left to those who wait for it; the further it is behind, the more, or it would never catch up.
fn rest(took: Duration, urgency: u32) -> Duration {
    (took * 4).clamp(TOO_EARLY, TICK * 4) / urgency
}

impl Plan {
    fn begin_anew(&mut self) {
        (self.not_before, self.failures) = (Instant::now(), 0);
    }

    async fn act_if_due(&mut self, engine: &Engine) {
        if self.left(engine).is_zero() {
            self.act(engine).await;
        }
    }

    fn left(&self, engine: &Engine) -> Duration {
        let paused = self.not_before.saturating_duration_since(Instant::now());
        self.task.due_in(engine).map_or(TICK, |due| due.max(paused))
    }

    async fn act(&mut self, engine: &Engine) {
        let start = Instant::now();
        let pause = match self.task.act(engine).await {
            Ok(more) => {
                self.failures = 0;
                match more {
                    true if self.task.can_wait() => rest(start.elapsed(), self.task.urgency(engine)),
                    true => Duration::ZERO,
                    false => TOO_EARLY,
                }
            }
            Err(error) => {
                engine.loop_failed(self.task.name(), &error);
                self.failures += 1;
                BACKOFF.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_MOST)
            }
        };
        self.not_before = Instant::now() + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_up_takes_a_fifth_of_the_time_and_more_when_it_is_late() {
        let took = Duration::from_millis(50);
        let share = |urgency| took.as_secs_f64() / (took + rest(took, urgency)).as_secs_f64();
        assert_eq!([1, 4].map(share), [0.2, 0.5]);
        assert!(share(8) > 0.66);
        assert_eq!([1, 2].map(|urgency| rest(Duration::ZERO, urgency)), [TOO_EARLY, TOO_EARLY / 2]);
        assert_eq!(rest(Duration::from_secs(60), 1), TICK * 4, "a stall is not paid for with minutes");
    }
}
