use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use raincheck_core::{LeaseRef, Progress, limits};
use tokio::sync::Notify;
use tokio::time::Instant;

const EVERY: Duration = Duration::from_millis(limits::PROGRESS_EVERY_MILLIS as u64);

/// Reports on their way to the store: at most one per run in [`EVERY`]; of those between, the latest is written
/// when the time is over, or with the end of the run.
#[derive(Default)]
pub(crate) struct Reports {
    slots: Mutex<Slots>,
    /// There is a slot again.
    pub(crate) first: Notify,
}

#[derive(Default)]
struct Slots {
    /// Runs that reported within [`EVERY`], with the report that waits.
    by_run: HashMap<LeaseRef, Option<Progress>>,
    /// When each may write again, soonest first.
    until: VecDeque<(Instant, LeaseRef)>,
}

impl Reports {
    /// Takes a report; answers it when it is to be written now.
    pub(crate) fn offer(&self, run: LeaseRef, report: Progress, now: Instant) -> Option<Progress> {
        let mut slots = self.slots.lock();
        if let Some(waiting) = slots.by_run.get_mut(&run) {
            *waiting = Some(report);
            return None;
        }
        if slots.until.is_empty() {
            self.first.notify_one();
        }
        slots.by_run.insert(run, None);
        slots.until.push_back((now + EVERY, run));
        Some(report)
    }

    /// Takes the report of a run that waits, for whoever writes the run's end.
    pub(crate) fn take(&self, run: LeaseRef) -> Option<Progress> {
        self.slots.lock().by_run.get_mut(&run).and_then(Option::take)
    }

    /// Takes what is to be written by `now`, and forgets runs that said nothing more.
    pub(crate) fn due(&self, now: Instant) -> Vec<(LeaseRef, Progress)> {
        let mut slots = self.slots.lock();
        let mut due = Vec::new();
        while slots.until.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, run)) = slots.until.pop_front() else { break };
            match slots.by_run.get_mut(&run).and_then(Option::take) {
                Some(report) => {
                    slots.until.push_back((now + EVERY, run));
                    due.push((run, report));
                }
                None => {
                    slots.by_run.remove(&run);
                }
            }
        }
        due
    }

    /// Takes all that wait.
    pub(crate) fn all(&self) -> Vec<(LeaseRef, Progress)> {
        let mut slots = self.slots.lock();
        slots.by_run.iter_mut().filter_map(|(run, report)| Some((*run, report.take()?))).collect()
    }

    /// When the next one may be due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.slots.lock().until.front().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raincheck_core::JobNo;

    fn percent(percent: f64) -> Progress {
        Progress { percent: Some(percent), ..Progress::default() }
    }

    #[tokio::test]
    async fn at_most_one_report_in_200_ms_and_the_latest_wins() {
        let reports = Reports::default();
        let run = LeaseRef { no: JobNo(7), attempt: 1 };
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(reports.offer(run, percent(1.0), at(0)), Some(percent(1.0)));
        assert_eq!(reports.offer(run, percent(2.0), at(10)), None);
        assert_eq!(reports.offer(run, percent(3.0), at(20)), None);
        assert!(reports.due(at(199)).is_empty());
        assert_eq!(reports.due(at(200)), [(run, percent(3.0))]);
        assert_eq!(reports.offer(run, percent(4.0), at(210)), None);
        assert_eq!(reports.take(run), Some(percent(4.0)));
        assert!(reports.due(at(400)).is_empty());
        assert_eq!(reports.next(), None, "a silent run is forgotten");
        assert_eq!(reports.offer(run, percent(5.0), at(401)), Some(percent(5.0)));
    }
}
