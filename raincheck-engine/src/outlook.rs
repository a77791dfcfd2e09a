use raincheck_core::{Job, Millis, State, Timestamp};
use raincheck_store::QueueFigures;

use crate::{Engine, KindStats};

/// Nobody is asked to come back later than this, seconds.
const RETRY_MOST: u64 = 60;

/// Why a job does not run yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// Its time has not come.
    Time,
    /// As many as may run at once do.
    Slot,
    /// Other jobs have to end first.
    Jobs,
    /// Its queue is paused.
    Paused,
    /// Nobody serves its kind.
    NoWorker,
}

impl WaitingFor {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            WaitingFor::Time => "time",
            WaitingFor::Slot => "slot",
            WaitingFor::Jobs => "jobs",
            WaitingFor::Paused => "paused",
            WaitingFor::NoWorker => "no worker",
        }
    }
}

/// When and for what a job waits; approximate, from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Its place in its queue, from 1, while it is queued.
    pub position: Option<u64>,
    /// Seconds until it is done, where that can be told.
    pub eta_seconds: Option<u64>,
    /// Why it does not run yet.
    pub waiting_for: Option<WaitingFor>,
    /// Seconds after which to ask again, 1 to 60.
    pub retry_after_seconds: u64,
}

/// What is known in memory about where a job waits.
struct Facts {
    now: Timestamp,
    queue: QueueFigures,
    kind: Option<KindStats>,
    drain_rate: Option<f64>,
    served: bool,
}

impl Outlook {
    pub(crate) fn of(engine: &Engine, job: &Job) -> Outlook {
        look(job, &Facts {
            now: engine.now(),
            queue: engine.queue(&job.queue).unwrap_or_default(),
            kind: engine.kind_stats(&job.kind),
            drain_rate: engine.drain_rate(&job.queue),
            served: engine.served(&job.kind),
        })
    }
}

fn look(job: &Job, facts: &Facts) -> Outlook {
    let waiting_for = waiting_for(job, facts);
    let position = (job.state == State::Queued).then(|| position(job, &facts.queue));
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
    Outlook { position, eta_seconds: left.map(seconds), waiting_for, retry_after_seconds }
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

fn position(job: &Job, queue: &QueueFigures) -> u64 {
    let ahead = u64::try_from(job.ticket.saturating_sub(queue.served)).unwrap_or(0);
    ahead.clamp(1, queue.waiting().max(1))
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
