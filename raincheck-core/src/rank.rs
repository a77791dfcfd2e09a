use crate::limits::PRIORITY_STEP_MILLIS;
use crate::time::Millis;

/// The place of a job among the ready ones of its queue; lower goes first, ties by job number.
///
/// Fixed when the job becomes queued: the queue's time then, less a bounded head start for priority. A job of
/// priority 10 goes before everything of priority 0 queued in the ten minutes before it, and not before older
/// work, so the low are delayed but never starved. Nothing is re-sorted later.
pub fn rank(queued_at: Millis, priority: i32) -> i64 {
    queued_at - i64::from(priority) * PRIORITY_STEP_MILLIS
}
