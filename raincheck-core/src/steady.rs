use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Beat, Clock, Reading, SystemClock};
use crate::limits::{CLOCK_NEARS_BY, STANDSTILL_MILLIS};
use crate::time::{Millis, Timestamp};

/// A machine's clocks as a server sees them: the wall clock never goes back, and the monotonic one knows for how long
/// the server stood still.
///
/// Time runs by the monotonic clock. Where the machine's wall clock is ahead (it was set right, or the machine was
/// asleep), it is followed at once; where it is behind, time goes on and nears it slowly. Both are noticed by
/// [`Clock::beat`], which a server gives several times a second.
pub struct SteadyClock {
    machine: Arc<dyn Clock>,
    /// The time that it returns less the monotonic clock.
    offset: AtomicI64,
    /// The latest time that it returned.
    latest: AtomicI64,
    beats: Mutex<Beats>,
}

#[derive(Default)]
struct Beats {
    /// When the last one came.
    last: Option<Millis>,
    idle: Millis,
    /// When the first one came, or the first after a standstill.
    woke: Option<Millis>,
}

impl SteadyClock {
    /// Over the clocks of a machine.
    pub fn over(machine: Arc<dyn Clock>) -> Self {
        let offset = machine.now().0 - machine.ticks();
        let (offset, latest) = (AtomicI64::new(offset), AtomicI64::new(i64::MIN));
        SteadyClock { machine, offset, latest, beats: Mutex::default() }
    }

    /// Changes what is known of beats. A panic leaves nothing half done there.
    fn beats<T>(&self, work: impl FnOnce(&mut Beats, Millis) -> T) -> T {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that no other reading is later than the beat it is compared with.
        work(&mut beats, self.machine.ticks())
    }
}

impl Default for SteadyClock {
    fn default() -> Self {
        SteadyClock::over(Arc::new(SystemClock::default()))
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let at = self.machine.ticks() + self.offset.load(Ordering::Acquire);
        Timestamp(self.latest.fetch_max(at, Ordering::AcqRel).max(at))
    }

    fn ticks(&self) -> Millis {
        self.machine.ticks()
    }

    fn reading(&self) -> Reading {
        self.beats(|beats, ticks| match beats.gap(ticks) {
            // Not over yet, as far as anybody knows.
            gap @ 1.. => Reading { ticks, idle: beats.idle + gap, awake: 0 },
            _ => Reading { ticks, idle: beats.idle, awake: beats.woke.map_or(Millis::MAX, |woke| ticks - woke) },
        })
    }

    fn beat(&self) -> Beat {
        self.beats(|beats, ticks| {
            let passed = beats.last.map_or(0, |last| ticks - last);
            let stood_still = beats.gap(ticks);
            beats.idle += stood_still;
            if stood_still > 0 || beats.last.is_none() {
                beats.woke = Some(ticks);
            }
            beats.last = Some(ticks);
            let (offset, wall) = (self.offset.load(Ordering::Acquire), self.machine.now().0 - ticks);
            let ahead = offset - wall;
            // Behind, it follows at once; ahead, it nears.
            self.offset.store(offset - ahead.min(passed / CLOCK_NEARS_BY), Ordering::Release);
            Beat { stood_still, ahead: ahead.max(0) }
        })
    }

    fn go_on_from(&self, at: Timestamp) -> Millis {
        self.beats(|_, ticks| self.offset.fetch_max(at.0 - ticks, Ordering::AcqRel));
        at.since(self.machine.now()).max(0)
    }
}

impl Beats {
    /// For how long nothing was heard, where that is too long; otherwise 0.
    fn gap(&self, ticks: Millis) -> Millis {
        self.last.map(|last| ticks - last).filter(|gap| *gap > STANDSTILL_MILLIS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SteppedClock;
    use crate::limits::HEAR_FIRST_MILLIS;

    const BEGIN: i64 = 1_700_000_000_000;
    const HOUR: Millis = 3_600_000;

    fn clocks() -> (Arc<SteppedClock>, SteadyClock) {
        let machine = Arc::new(SteppedClock::new(Timestamp(BEGIN)));
        (machine.clone(), SteadyClock::over(machine))
    }

    /// Lets time pass while the server serves.
    fn serve(machine: &SteppedClock, clock: &SteadyClock, millis: Millis) -> Beat {
        let mut last = clock.beat();
        for _ in 0..millis / 200 {
            machine.advance(200);
            last = clock.beat();
        }
        last
    }

    #[test]
    fn leases_stand_still_with_the_server() {
        let (machine, clock) = clocks();
        serve(&machine, &clock, 5_000);
        assert_eq!(clock.reading(), Reading { ticks: 5_000, idle: 0, awake: 5_000 });
        machine.advance(STANDSTILL_MILLIS);
        assert_eq!(clock.reading().served(), 6_000, "a hiccup is none");
        machine.advance(39_000);
        let during = clock.reading();
        assert_eq!((during.served(), during.ticks, during.deaf()), (5_000, 45_000, HEAR_FIRST_MILLIS));
        assert_eq!(clock.beat().stood_still, 40_000);
        assert_eq!(clock.reading(), Reading { ticks: 45_000, idle: 40_000, awake: 0 });
        serve(&machine, &clock, HEAR_FIRST_MILLIS);
        assert_eq!((clock.reading().served(), clock.reading().deaf()), (5_000 + HEAR_FIRST_MILLIS, 0));
        machine.advance(2_000);
        clock.beat();
        assert_eq!(clock.reading().idle, 42_000, "they add up");
    }

    #[test]
    fn nothing_is_known_of_standstills_before_the_first_sign_of_life() {
        let (machine, clock) = clocks();
        machine.advance(40_000);
        assert_eq!(clock.reading(), Reading::from(40_000));
        assert_eq!(clock.beat().stood_still, 0);
        assert_eq!(clock.reading().deaf(), HEAR_FIRST_MILLIS, "a start is heard first, too");
    }

    #[test]
    fn time_goes_on_when_the_clock_is_set_back_and_nears_it() {
        let (machine, clock) = clocks();
        serve(&machine, &clock, 1_000);
        let before = clock.now();
        machine.jump(-HOUR);
        assert_eq!(clock.now(), before);
        assert_eq!(serve(&machine, &clock, 2_000).ahead, HOUR - 90);
        let after = clock.now().since(before);
        assert!((1_850..=2_000).contains(&after), "two seconds took {after} ms");
        serve(&machine, &clock, HOUR * CLOCK_NEARS_BY + 2_000);
        assert_eq!(clock.now(), machine.now(), "met again");
        machine.jump(HOUR);
        clock.beat();
        assert_eq!(clock.now(), machine.now(), "ahead is followed at once");
    }

    #[test]
    fn it_never_goes_back_whatever_the_machine_says() {
        let (machine, clock) = clocks();
        let mut last = clock.now();
        for step in 0..10_000_i64 {
            machine.advance(step % 700);
            machine.jump((step * 7_919) % 5_000 - 2_600);
            if step % 3 == 0 {
                clock.beat();
            }
            assert!(clock.now() >= last, "at {step}");
            last = clock.now();
        }
    }

    #[test]
    fn a_start_goes_on_from_what_was_seen_before() {
        let (machine, clock) = clocks();
        assert_eq!(clock.go_on_from(Timestamp(BEGIN - HOUR)), 0);
        assert_eq!(clock.now(), Timestamp(BEGIN));
        assert_eq!(clock.go_on_from(Timestamp(BEGIN + HOUR)), HOUR);
        assert_eq!(clock.now(), Timestamp(BEGIN + HOUR));
        machine.advance(2_000);
        assert_eq!(clock.now(), Timestamp(BEGIN + HOUR + 2_000));
    }
}
