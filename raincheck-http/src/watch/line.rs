//! The place of a waiting job in the line, told as it changes: what comes of it is no event of the job.

use std::time::Duration;

use raincheck_core::{Event, Job, JobNo, State};
use raincheck_engine::{Engine, WaitEstimate, WaitingFor};
use raincheck_store::StoreError;
use tokio::time::{Instant, sleep_until};

use crate::wire::Json;

/// How a stream calls it.
pub const NAME: &str = "position";

/// Between two looks at least this long: all changes meanwhile are told as one.
const LEAST: Duration = Duration::from_secs(2);
/// Far behind, and where nothing moves, at most this long.
const MOST: Duration = Duration::from_secs(14);
/// So many places behind, the pause is a second longer.
const PLACES_A_SECOND: u64 = 25;

/// Where a watched job is in the line, and what its watcher was told of that.
pub struct Line {
    no: JobNo,
    /// Number of the latest event.
    seq: u32,
    /// As it was read when it was queued; read again after a change.
    job: Option<Box<Job>>,
    told: Option<(Option<u64>, Option<WaitingFor>)>,
    pause: Duration,
    /// The next look, while it is queued.
    at: Option<Instant>,
}

impl Line {
    /// Of a job that is watched from event `seq` on; `is_told` says that the watcher is given the job as it is.
    pub fn of(engine: &Engine, job: &Job, seq: u32, is_told: bool) -> Line {
        let is_queued = job.state == State::Queued;
        let told = (is_queued && is_told).then(|| what(&engine.wait_estimate(job)));
        let at = is_queued.then(|| Instant::now() + LEAST);
        Line { no: job.no, seq, job: is_queued.then(|| Box::new(job.clone())), told, pause: LEAST, at }
    }

    /// The job has changed.
    pub fn heard(&mut self, event: &Event) {
        self.seq = event.seq;
        self.job = None;
        let is_queued = event.state == State::Queued;
        (self.pause, self.at) = (LEAST, is_queued.then(|| Instant::now() + LEAST));
        if !is_queued {
            self.told = None;
        }
    }

    /// When to look.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Looks: the number of the latest event and the place, if it is another one than was told.
    pub async fn look(&mut self, engine: &Engine) -> Result<Option<(u32, WaitEstimate)>, StoreError> {
        if self.at.is_none() {
            return Ok(None);
        }
        if self.job.is_none() {
            let record = engine.record(self.no).await?;
            self.job = record.map(|record| Box::new(record.job)).filter(|job| job.state == State::Queued);
        }
        let Some(job) = &self.job else {
            // The event that says so is on its way.
            self.at = None;
            return Ok(None);
        };
        engine.look_at_line(job).await?;
        let place = engine.wait_estimate(job);
        let now = Some(what(&place));
        let is_new = std::mem::replace(&mut self.told, now) != now;
        self.pause = match is_new {
            true => LEAST + Duration::from_secs(place.position.unwrap_or(0) / PLACES_A_SECOND),
            false => self.pause * 2,
        };
        self.pause = self.pause.min(MOST);
        self.at = Some(Instant::now() + self.pause);
        Ok(is_new.then_some((self.seq, place)))
    }
}

fn what(place: &WaitEstimate) -> (Option<u64>, Option<WaitingFor>) {
    (place.position, place.waiting_for)
}

/// Waits until the place is another one than was told; forever where there is none. May be dropped and called again.
pub async fn changed(line: &mut Option<Line>, engine: &Engine) -> Result<(u32, WaitEstimate), StoreError> {
    while let Some(line) = line
        && let Some(at) = line.at()
    {
        sleep_until(at).await;
        if let Some(changed) = line.look(engine).await? {
            return Ok(changed);
        }
    }
    std::future::pending().await
}

/// Writes a place as a job shows it.
pub fn write(out: &mut Json, place: &WaitEstimate) {
    out.begin();
    out.key("position").maybe_number(place.position);
    out.key("eta_seconds").maybe_number(place.eta_seconds);
    out.key("waiting_for").maybe_text(place.waiting_for.map(WaitingFor::as_str));
    out.end();
}
