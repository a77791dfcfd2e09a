use raincheck_core::{Job, Millis, State, Timestamp};
use raincheck_store::QueueStats;

use crate::{Engine, RunTimes};

/// Nobody is asked to come back later than this, seconds.
const RETRY_MOST: u64 = 60;

/// A job that was queued so long after it was made is about where it was, milliseconds.
const SAME_PLACE_MILLIS: Millis = 1_000;

/// Why a job does not run yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// Its time has not come.
    Time,
    /// As many as may run at once do.
    Slot,
    /// Its queue is paused.
    Paused,
    /// Nobody serves its kind.
    NoWorker,
}

impl WaitingFor {
    /// Every one.
    pub const ALL: [WaitingFor; 4] = [WaitingFor::Time, WaitingFor::Slot, WaitingFor::Paused, WaitingFor::NoWorker];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            WaitingFor::Time => "time",
            WaitingFor::Slot => "slot",
            WaitingFor::Paused => "paused",
            WaitingFor::NoWorker => "no worker",
        }
    }
}

/// When and for what a job waits; approximate, from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitEstimate {
    /// Its place among those of its queue that somebody serves, from 1, while it is queued.
    pub position: Option<u64>,
    /// Seconds until it is done, where that is known.
    pub eta_seconds: Option<u64>,
    /// Why it does not run yet.
    pub waiting_for: Option<WaitingFor>,
    /// The same in words for people, where there is more to say.
    pub waiting_detail: Option<Box<str>>,
    /// Seconds after which to ask again, 1 to 60.
    pub retry_after_seconds: u64,
}

/// What is known in memory about where a job waits.
struct Facts {
    now: Timestamp,
    queue: QueueStats,
    kind: Option<RunTimes>,
    drain_rate: Option<f64>,
    served: bool,
    /// Jobs before it that nobody serves.
    passed_over: u64,
}

impl WaitEstimate {
    pub(crate) fn of(engine: &Engine, job: &Job) -> WaitEstimate {
        let is_queued = job.state == State::Queued;
        let mut estimate = estimated(
            job,
            &Facts {
                now: engine.now(),
                queue: engine.queue(&job.queue).unwrap_or_default(),
                kind: engine.run_times(&job.kind),
                drain_rate: engine.drain_rate(&job.queue),
                served: is_queued && engine.served(&job.queue, &job.kind),
                passed_over: if is_queued { engine.passed_over(job) } else { 0 },
            },
        );
        if estimate.waiting_for == Some(WaitingFor::NoWorker) {
            estimate.waiting_detail = engine.trouble(&job.queue, &job.kind);
        }
        estimate
    }
}

fn estimated(job: &Job, facts: &Facts) -> WaitEstimate {
    let waiting_for = waiting_for(job, facts);
    let position = (job.state == State::Queued).then(|| position(job, facts)).flatten();
    let stuck = matches!(waiting_for, Some(WaitingFor::Paused | WaitingFor::NoWorker));
    let left = facts.kind.filter(|_| !stuck).and_then(|kind| left(job, position, kind.mean_ms, facts));
    let seconds = |millis: f64| (millis / 1_000.0).ceil().max(1.0) as u64;
    let age = facts.now.since(job.created_at).max(0) as f64;
    let due = job.run_at.since(facts.now) as f64;
    let ask_again = match left {
        Some(left) => left / 2.0,
        None if job.state == State::Scheduled => due,
        None => age / 4.0,
    };
    let retry_after_seconds = seconds(ask_again).min(RETRY_MOST);
    WaitEstimate { position, eta_seconds: left.map(seconds), waiting_for, waiting_detail: None, retry_after_seconds }
}

fn waiting_for(job: &Job, facts: &Facts) -> Option<WaitingFor> {
    let running = facts.queue.by_state[State::Running as usize];
    match job.state {
        State::Scheduled => Some(WaitingFor::Time),
        State::Blocked => Some(WaitingFor::Slot),
        State::Queued if facts.queue.settings.paused => Some(WaitingFor::Paused),
        State::Queued if !facts.served => Some(WaitingFor::NoWorker),
        State::Queued if facts.queue.settings.concurrency.is_some_and(|most| running >= u64::from(most)) => {
            Some(WaitingFor::Slot)
        }
        _ => None,
    }
}

/// Its place in the line, as long as it has the place that it was made with. Tickets know nothing of another one: that of a
/// job that waited for its time, or that failed or was given back and went behind those that are there.
fn position(job: &Job, facts: &Facts) -> Option<u64> {
    if job.rank > raincheck_core::rank(job.created_at.0 + SAME_PLACE_MILLIS, job.priority) {
        return None;
    }
    let ahead = u64::try_from(job.ticket.saturating_sub(facts.queue.served)).unwrap_or(0);
    Some(ahead.saturating_sub(facts.passed_over).clamp(1, facts.queue.waiting().max(1)))
}

/// Milliseconds until the job is done.
fn left(job: &Job, position: Option<u64>, mean: f64, facts: &Facts) -> Option<f64> {
    match job.state {
        State::Scheduled => Some(job.run_at.since(facts.now).max(0) as f64 + mean),
        State::Queued => {
            let running = facts.queue.by_state[State::Running as usize] as f64;
            // An idle queue's measured drain tells nothing about how fast it could go; what runs now does.
            let rate = (running / mean.max(1.0)).max(facts.drain_rate.unwrap_or(0.0) / 1_000.0);
            let wait = if running == 0.0 { 0.0 } else { position? as f64 / rate };
            Some(wait + mean)
        }
        State::Running => {
            let spent = facts.now.since(job.started_at?) as f64;
            (spent < mean).then_some(mean - spent)
        }
        _ => None,
    }
}

/// Seconds after which a full queue may have room: when about a hundredth of it has drained. `spread` is drawn from
/// `0.0..1.0`.
pub(crate) fn retry_after_full(waiting: u64, drain_rate: Option<f64>, spread: f64) -> u64 {
    let share = (waiting as f64 / 100.0).max(1.0);
    let seconds = drain_rate.map_or(10.0, |rate| share / rate).clamp(1.0, RETRY_MOST as f64);
    (seconds * (0.8 + 0.4 * spread)).round().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{NOW, job};

    fn facts(queued: u64, running: u64) -> Facts {
        let mut queue = QueueStats { served: 4, ..QueueStats::default() };
        (queue.by_state[State::Queued as usize], queue.by_state[State::Running as usize]) = (queued, running);
        let kind = Some(RunTimes { mean_ms: 6_000.0, count: 3 });
        Facts { now: NOW.plus(2_000), queue, kind, drain_rate: Some(0.5), served: true, passed_over: 0 }
    }

    #[test]
    fn a_queued_job_waits_for_those_before_it() {
        let estimate = estimated(&job(State::Queued, 7), &facts(5, 6));
        assert_eq!(estimate.position, Some(3));
        // Six run for 6 s each, so one ends each second: 3 s to wait and 6 s to run.
        assert_eq!(estimate.eta_seconds, Some(9));
        assert_eq!(estimate.retry_after_seconds, 5);
        assert_eq!(estimate.waiting_for, None);
        let beside = Facts { passed_over: 2, ..facts(5, 6) };
        assert_eq!(estimated(&job(State::Queued, 7), &beside).position, Some(1), "it passes what nobody serves");
        assert_eq!(
            estimated(&job(State::Queued, 7), &facts(1, 0)).position,
            Some(1),
            "never behind more than there are"
        );
    }

    #[test]
    fn the_reason_to_wait_is_told() {
        let reason = |facts: &Facts| estimated(&job(State::Queued, 5), facts).waiting_for;
        let mut now = facts(1, 2);
        now.queue.settings.concurrency = Some(2);
        assert_eq!(reason(&now), Some(WaitingFor::Slot));
        now.served = false;
        assert_eq!(reason(&now), Some(WaitingFor::NoWorker));
        now.queue.settings.paused = true;
        assert_eq!(reason(&now), Some(WaitingFor::Paused));
        let stuck = estimated(&job(State::Queued, 5), &now);
        assert_eq!((stuck.eta_seconds, stuck.retry_after_seconds), (None, 1));
        let scheduled = Job { run_at: NOW.plus(12_000), ..job(State::Scheduled, 5) };
        let estimate = estimated(&scheduled, &facts(1, 0));
        assert_eq!((estimate.waiting_for, estimate.eta_seconds), (Some(WaitingFor::Time), Some(16)));
        assert_eq!(estimate.position, None);
    }

    #[test]
    fn nothing_is_promised_past_the_mean_and_asking_slows_down_with_age() {
        let mut late = facts(0, 1);
        let running = Job { started_at: Some(NOW), ..job(State::Running, 5) };
        assert_eq!(estimated(&running, &late).eta_seconds, Some(4));
        late.now = NOW.plus(40_000);
        assert_eq!(estimated(&running, &late).eta_seconds, None);
        assert_eq!(estimated(&running, &late).retry_after_seconds, 10);
        late.now = NOW.plus(9_000_000);
        assert_eq!(estimated(&running, &late).retry_after_seconds, 60);
    }

    #[test]
    fn a_full_queue_says_when_some_of_it_has_drained() {
        assert_eq!(retry_after_full(1_000_000, Some(1_000.0), 0.5), 10);
        assert_eq!(retry_after_full(1_000_000, Some(1_000.0), 0.0), 8);
        assert_eq!(retry_after_full(1_000_000, Some(1_000.0), 1.0), 12);
        assert_eq!(retry_after_full(10, Some(1_000.0), 0.0), 1);
        assert_eq!(retry_after_full(10, Some(0.001), 1.0), 72);
        assert_eq!(retry_after_full(10, None, 0.5), 10);
    }
}
