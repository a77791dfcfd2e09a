use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::limits::HEAR_FIRST_MILLIS;
use crate::time::{Millis, Timestamp};

/// The two clocks of the program. Calendar decisions (`run_at`, retention) read the wall clock; leases and
/// timeouts read the monotonic one, so that a step of the wall clock never ends a live run.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Milliseconds since some fixed point of this process; never goes back.
    fn ticks(&self) -> Millis;

    /// The monotonic clock, with what is known of standstills of this process: of none, unless the clock watches for
    /// them (see [`crate::SteadyClock`]).
    fn reading(&self) -> Reading {
        self.ticks().into()
    }

    /// A sign that the process serves, to be given several times a second. Answers what it showed.
    fn beat(&self) -> Beat {
        Beat::default()
    }

    /// The wall clock was seen to stand at `at` before. A clock that never goes back goes on from there. Answers how
    /// far behind that the machine's clock is, milliseconds.
    fn go_on_from(&self, at: Timestamp) -> Millis {
        at.since(self.now()).max(0)
    }
}

/// One look at the monotonic clock: what leases are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// See [`Clock::ticks`].
    pub ticks: Millis,
    /// For how many of these ticks the process stood still, in all.
    pub idle: Millis,
    /// How many ticks ago it began, or went on after standing still.
    pub awake: Millis,
}

impl Reading {
    /// The clock of leases: it stands still while the process does, for nobody's heartbeat was heard meanwhile.
    pub fn served(&self) -> Millis {
        self.ticks - self.idle
    }

    /// How long it is until runs are judged, milliseconds: what came while nobody listened is heard first.
    pub fn deaf(&self) -> Millis {
        (HEAR_FIRST_MILLIS - self.awake).max(0)
    }
}

impl From<Millis> for Reading {
    /// A clock that knows of no standstill.
    fn from(ticks: Millis) -> Self {
        Reading { ticks, idle: 0, awake: Millis::MAX }
    }
}

/// What a sign of life showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// For how long the process had stood still, milliseconds; 0 when it had not.
    pub stood_still: Millis,
    /// How far the time that it returns is ahead of the machine's wall clock, milliseconds.
    pub ahead: Millis,
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn ticks(&self) -> Millis {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that moves only when told to, for tests that own time.
#[derive(Debug)]
pub struct SteppedClock {
    wall: AtomicI64,
    ticks: AtomicI64,
}

impl SteppedClock {
    /// A clock standing at `now`.
    pub fn new(now: Timestamp) -> Self {
        SteppedClock { wall: AtomicI64::new(now.0), ticks: AtomicI64::new(0) }
    }

    /// Lets `by` milliseconds pass on both clocks.
    pub fn advance(&self, by: Millis) {
        self.wall.fetch_add(by, Ordering::SeqCst);
        self.ticks.fetch_add(by.max(0), Ordering::SeqCst);
    }

    /// Steps the wall clock alone, as an operator or a bad time server would.
    pub fn jump(&self, by: Millis) {
        self.wall.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn ticks(&self) -> Millis {
        self.ticks.load(Ordering::SeqCst)
    }
}
