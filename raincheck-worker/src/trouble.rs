//! What is wrong with the worker itself. While it lasts, jobs are given back uncounted, and the worker takes none for
//! pauses that grow: one broken worker must not run through the jobs of a queue. After a pause it first asks whether it
//! could run anything, and then takes one job at a time until a run shows that all is well.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::RngExt as _;
use tokio::time::{Instant, sleep_until};

/// The first pause; each is twice as long as the one before.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// So many jobs are remembered that were given back.
const GIVEN_BACK_MAX: usize = 64;

/// The trouble of one worker.
#[derive(Default)]
pub(crate) struct Trouble {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Pauses since the last run that went well.
    pauses: u32,
    /// When the last one began, and when it ends.
    begun: Option<Instant>,
    until: Option<Instant>,
    /// What it is, in words, and whether the server knows.
    what: Option<String>,
    is_reported: bool,
    /// The host was asked whether jobs can be run, and they can.
    is_ready: bool,
    /// Jobs that met it, and how often.
    given_back: VecDeque<(String, u32)>,
}

impl Trouble {
    /// Nothing can be run: begins a pause, unless one is on.
    pub(crate) fn met(&self, what: &str) {
        if let Some(pause) = self.lock().met(what, Instant::now()) {
            tracing::error!(
                trouble = what,
                pause_seconds = pause.as_secs_f64(),
                "this worker cannot run jobs; it gives them back and takes none for a while"
            );
        }
    }

    /// The same, met by this job; answers how long it is not to be run again.
    pub(crate) fn met_by(&self, job: &str, what: &str) -> Option<Duration> {
        self.met(what);
        self.lock().give_back(job)
    }

    /// A run that began then went as far as its job let it.
    pub(crate) fn went_well(&self, begun: Instant) {
        if let Some(what) = self.lock().went_well(begun) {
            tracing::info!(trouble = what, "this worker runs jobs again");
        }
    }

    /// For how many of so many free slots it may take jobs.
    pub(crate) fn room(&self, slots: usize) -> usize {
        self.lock().room(slots, Instant::now())
    }

    /// What it is, while a pause is on.
    pub(crate) fn now(&self) -> Option<String> {
        let state = self.lock();
        state.what.clone().filter(|_| state.is_pausing(Instant::now()))
    }

    /// Whether the pause that is on is still to be reported to the server.
    pub(crate) fn must_report(&self) -> bool {
        let mut state = self.lock();
        state.is_pausing(Instant::now()) && !std::mem::replace(&mut state.is_reported, true)
    }

    /// Whether the host should be asked, before a job is taken, if any can be run.
    pub(crate) fn is_doubtful(&self) -> bool {
        !self.lock().is_ready
    }

    /// It was asked, and they can.
    pub(crate) fn found_ready(&self) {
        self.lock().is_ready = true;
    }

    /// Resolves when no pause is on.
    pub(crate) async fn paused(&self) {
        loop {
            let until = self.lock().until;
            match until {
                Some(until) if Instant::now() < until => sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The pause that this begins.
    fn met(&mut self, what: &str, now: Instant) -> Option<Duration> {
        self.is_ready = false;
        if self.is_pausing(now) {
            return None;
        }
        self.pauses = self.pauses.saturating_add(1);
        let pause = spread(step(self.pauses));
        (self.begun, self.until, self.what) = (Some(now), Some(now + pause), Some(what.to_owned()));
        self.is_reported = false;
        Some(pause)
    }

    /// At first a job may be run at once, by another worker. One that comes back to this one and meets trouble again, as
    /// one that is too large for its disk, must not be the only one that it tries.
    fn give_back(&mut self, job: &str) -> Option<Duration> {
        if let Some((_, times)) = self.given_back.iter_mut().find(|(id, _)| id == job) {
            *times = times.saturating_add(1);
            return Some(spread(step(*times)));
        }
        self.given_back.push_back((job.to_owned(), 0));
        if self.given_back.len() > GIVEN_BACK_MAX {
            self.given_back.pop_front();
        }
        None
    }

    /// What is over. A run that began before it says nothing.
    fn went_well(&mut self, begun: Instant) -> Option<String> {
        if self.pauses == 0 || self.begun.is_some_and(|trouble| begun < trouble) {
            return None;
        }
        self.pauses = 0;
        self.what.take()
    }

    fn room(&self, slots: usize, now: Instant) -> usize {
        match self.pauses {
            0 => slots,
            _ if self.is_pausing(now) => 0,
            _ => slots.min(1),
        }
    }

    fn is_pausing(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// The pause after so many.
fn step(times: u32) -> Duration {
    FIRST.saturating_mul(1 << times.saturating_sub(1).min(6)).min(LONGEST)
}

/// Between half and all of it.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_with_a_run_that_began_after_them() {
        let (mut state, early) = (State::default(), Instant::now());
        assert_eq!((state.is_ready, state.room(8, early)), (false, 8), "it asks before its first job");
        state.is_ready = true;
        let (mut now, mut longest) = (early + FIRST, Duration::ZERO);
        for _ in 0..10 {
            longest = state.met("full", now).unwrap();
            assert_eq!(state.met("full", now), None, "many runs that meet it at once are one");
            assert_eq!((state.is_ready, state.room(8, now)), (false, 0));
            now += longest;
            assert_eq!(state.room(8, now), 1);
        }
        assert!(longest >= LONGEST / 2 && longest <= LONGEST, "{longest:?}");
        assert_eq!((state.went_well(early), state.room(8, now)), (None, 1), "a run from before says nothing");
        assert_eq!((state.went_well(now).as_deref(), state.room(8, now)), (Some("full"), 8));
        assert!(state.met("full", now).unwrap() <= FIRST, "it starts over");
    }

    #[test]
    fn only_a_job_that_comes_back_waits() {
        let mut state = State::default();
        assert_eq!(state.give_back("a"), None);
        let (second, third) = (state.give_back("a").unwrap(), state.give_back("a").unwrap());
        assert!(second <= FIRST && third >= FIRST && third <= 2 * FIRST, "{second:?} {third:?}");
        for other in 0..GIVEN_BACK_MAX {
            assert_eq!(state.give_back(&other.to_string()), None);
        }
        assert_eq!(state.given_back.len(), GIVEN_BACK_MAX);
    }
}
