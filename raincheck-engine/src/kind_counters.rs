use std::collections::BTreeMap;

use parking_lot::{Mutex, MutexGuard};
use raincheck_core::{Event, EventData, FailureCode, Millis, Name, limits};

/// Ends of the buckets of [`Times`], milliseconds.
pub const TIMES_MILLIS: [Millis; 12] =
    [10, 50, 250, 1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000];

/// What this engine did with jobs of one kind since it started; every figure only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindCounters {
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Jobs called off.
    pub canceled: u64,
    /// From when jobs were ready to when a worker had them.
    pub waits: Times,
    /// From the start of runs to their end, as far as somebody told of it: not of runs that were lost or given back, nor of
    /// those that began before this engine.
    pub runs: Times,
    failures: [u64; 5],
}

impl KindCounters {
    /// Failed attempts, lost runs, and jobs not started in time, whether another attempt followed or not.
    pub fn failures(&self, code: FailureCode) -> u64 {
        self.failures[code as usize]
    }

    fn event(&mut self, data: &EventData, took: Option<Millis>) {
        let told = match data {
            EventData::Succeeded => {
                self.succeeded += 1;
                true
            }
            EventData::Canceled => {
                self.canceled += 1;
                true
            }
            EventData::Failed(failure) => {
                self.failed += 1;
                self.failures[failure.code as usize] += 1;
                failure.code != FailureCode::Lost
            }
            EventData::Retrying { failure, .. } => {
                self.failures[failure.code as usize] += 1;
                true
            }
            EventData::Lost { .. } => {
                self.failures[FailureCode::Lost as usize] += 1;
                false
            }
            _ => false,
        };
        if let Some(took) = took.filter(|_| told) {
            self.runs.add(took);
        }
    }
}

/// How long something took, as a histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// For each end in [`TIMES_MILLIS`] how many took at most that and more than the one before; last, all others.
    pub counts: [u64; TIMES_MILLIS.len() + 1],
    /// All of them together, milliseconds.
    pub sum_millis: u64,
}

impl Times {
    fn add(&mut self, millis: Millis) {
        // A clock that was set back makes no time negative.
        let millis = millis.max(0);
        self.counts[TIMES_MILLIS.partition_point(|end| *end < millis)] += 1;
        self.sum_millis = self.sum_millis.saturating_add(millis.unsigned_abs());
    }
}

/// Counters of every kind. Whoever has many to count takes the lock once.
#[derive(Default)]
pub(crate) struct CountedKinds(Mutex<Counting>);

/// Those with counters of their own are the first that were heard of: a counter that went away and came back would be taken
/// for a restart.
#[derive(Default)]
pub(crate) struct Counting {
    kinds: BTreeMap<Name, KindCounters>,
    others: KindCounters,
}

impl CountedKinds {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Counting> {
        self.0.lock()
    }

    /// Of every kind that has counters of its own, by name; then of all others together.
    pub(crate) fn read(&self) -> (Vec<(Name, KindCounters)>, KindCounters) {
        let counting = self.lock();
        let kinds = counting.kinds.iter().map(|(name, counters)| (name.clone(), counters.clone()));
        (kinds.collect(), counting.others.clone())
    }
}

impl Counting {
    /// The kind is heard of: from here on its counters are told, and begin at 0.
    pub(crate) fn know(&mut self, kind: &Name) {
        self.of(kind, |_| ());
    }

    /// Something happened to a job, by what this engine did; `took` says how long a run took that ended with it.
    pub(crate) fn event(&mut self, event: &Event, took: Option<Millis>) {
        match &event.data {
            EventData::Created { .. } => self.know(&event.kind),
            EventData::Succeeded
            | EventData::Failed(_)
            | EventData::Canceled
            | EventData::Retrying { .. }
            | EventData::Lost { .. } => self.of(&event.kind, |counters| counters.event(&event.data, took)),
            EventData::Queued
            | EventData::Blocked
            | EventData::Started { .. }
            | EventData::Progress(_)
            | EventData::Released
            | EventData::CancelRequested
            | EventData::Gone(_) => {}
        }
    }

    /// A worker has a job that was ready for so long, milliseconds.
    pub(crate) fn waited(&mut self, kind: &Name, millis: Millis) {
        self.of(kind, |counters| counters.waits.add(millis));
    }

    fn of(&mut self, kind: &Name, count: impl FnOnce(&mut KindCounters)) {
        let is_full = self.kinds.len() >= limits::METRIC_NAMES;
        // Looked up twice only for the first of a kind: names are cloned only then.
        match self.kinds.get_mut(kind) {
            Some(counters) => count(counters),
            None if is_full => count(&mut self.others),
            None => count(self.kinds.entry(kind.clone()).or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use raincheck_core::{Failure, State};

    use super::*;
    use crate::samples::{event, name};

    fn happened(kinds: &CountedKinds, data: EventData, took: Option<Millis>) {
        kinds.lock().event(&Event { data, ..event(1, 1, State::Running) }, took);
    }

    #[test]
    fn every_failure_is_counted_once_and_only_runs_that_somebody_told_of_have_a_time() {
        let kinds = CountedKinds::default();
        let failure = |code| Failure::of(code, "no");
        happened(
            &kinds,
            EventData::Retrying { failure: failure(FailureCode::Failed), run_at: crate::samples::NOW },
            Some(10),
        );
        happened(&kinds, EventData::Failed(failure(FailureCode::Timeout)), Some(11));
        happened(&kinds, EventData::Lost { worker: "w".into() }, Some(60_000));
        happened(&kinds, EventData::Failed(failure(FailureCode::Lost)), Some(60_000));
        happened(&kinds, EventData::Failed(failure(FailureCode::Expired)), None);
        happened(&kinds, EventData::Released, Some(5));
        happened(&kinds, EventData::Succeeded, Some(-3));
        happened(&kinds, EventData::Canceled, Some(90_000_000));
        let (all, others) = kinds.read();
        let (kind, counters) = &all[0];
        assert_eq!((all.len(), kind, &others), (1, &name("k"), &KindCounters::default()));
        assert_eq!((counters.succeeded, counters.failed, counters.canceled), (1, 3, 1));
        let codes = [FailureCode::Failed, FailureCode::Timeout, FailureCode::Lost, FailureCode::Expired];
        assert_eq!(codes.map(|code| counters.failures(code)), [1, 1, 2, 1]);
        let counts = &counters.runs.counts;
        assert_eq!((counts[0], counts[1], counts[12], counters.runs.sum_millis), (2, 1, 1, 90_000_021));
        assert_eq!(counts.iter().sum::<u64>(), 4);
    }

    #[test]
    fn made_up_kinds_are_bounded_and_none_of_what_they_do_is_forgotten() {
        let kinds = CountedKinds::default();
        for n in 0..limits::METRIC_NAMES + 5 {
            kinds.lock().waited(&name(&format!("k{n}")), 1);
        }
        let (all, others) = kinds.read();
        assert_eq!((all.len(), others.waits.counts[0]), (limits::METRIC_NAMES, 5));
        kinds.lock().waited(&name("k0"), 1);
        assert_eq!(kinds.read().0[0].1.waits.counts[0], 2);
    }
}
