//! Where looks for jobs begin that are ready, due or over.
//!
//! As long as somebody's transaction is open anywhere in the database, an index keeps an entry of each job that was ready,
//! due or over since, and a look from its beginning passes them all: the longer that lasts, the slower. So when a look
//! turns out slow, those after it begin where it ended.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use raincheck_core::{Job, Millis, Name, State};

/// A slow look from the beginning takes at most one part in so many of the time.
const SHARE: u32 = 20;
/// How long looks may begin later, at most.
const LONGEST: Duration = Duration::from_secs(10);
/// All indexes are by times: what another node commits late is found if it is not later than this.
const LATE: Millis = 250;

/// What is looked for, in the order of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ScanKey {
    /// Queued jobs of a queue and a kind, by rank.
    Ready(Name, Name),
    /// Scheduled jobs, by their time.
    Due,
    /// Waiting jobs that have a time to start by.
    StartBy,
    /// Finished jobs, by the end of their retention.
    Expired,
}

impl ScanKey {
    /// What a job is found by, and where.
    fn all_of(job: &Job) -> impl Iterator<Item = (ScanKey, i64)> {
        let place = match job.state {
            State::Queued => Some((ScanKey::Ready(job.queue.clone(), job.kind.clone()), job.rank)),
            State::Scheduled => Some((ScanKey::Due, job.run_at.0)),
            _ => job.expires_at.map(|at| (ScanKey::Expired, at.0)),
        };
        let start_by = job.start_by.filter(|_| job.state.is_waiting()).map(|at| (ScanKey::StartBy, at.0));
        place.into_iter().chain(start_by)
    }
}

/// How far slow looks came. What this node writes is never passed over. What another node writes far behind, such as a
/// job that its priority puts before others, may be, until the next look from the beginning.
pub(crate) struct ScanStarts {
    /// How long a look may take that begins at the beginning.
    slow: Duration,
    all: HashMap<ScanKey, ScanStart>,
}

struct ScanStart {
    at: i64,
    until: Instant,
}

impl ScanStarts {
    pub fn new(slow: Duration) -> Self {
        ScanStarts { slow, all: HashMap::new() }
    }

    /// Where to begin to look.
    pub fn of(&self, key: &ScanKey) -> i64 {
        let start = self.all.get(key).filter(|start| start.until > Instant::now());
        start.map_or(i64::MIN, |start| start.at.saturating_sub(LATE))
    }

    /// How long until a look begins at the beginning again; `None` when the next one does.
    pub fn lasts(&self, key: &ScanKey) -> Option<Duration> {
        self.all.get(key)?.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// A look that began at `from` has left nothing before `to`.
    pub fn scanned(&mut self, key: ScanKey, from: i64, to: i64, took: Duration) {
        if from > i64::MIN {
            if let Some(start) = self.all.get_mut(&key) {
                start.at = to;
            }
        } else if took < self.slow {
            self.all.remove(&key);
        } else {
            self.all.insert(key, ScanStart { at: to, until: Instant::now() + (took * SHARE).min(LONGEST) });
        }
    }

    /// This is about to be written: looks must find it.
    pub fn lower(&mut self, job: &Job) {
        if self.all.is_empty() {
            return;
        }
        for (key, at) in ScanKey::all_of(job) {
            if let Some(start) = self.all.get_mut(&key) {
                start.at = start.at.min(at);
            }
        }
    }

    /// What was found was taken back.
    pub fn forget(&mut self) {
        self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use raincheck_core::{JobId, JobNo, NewJob, Timestamp};

    use super::*;

    fn key(kind: &str) -> ScanKey {
        ScanKey::Ready(Name::new("q").unwrap(), Name::new(kind).unwrap())
    }

    fn queued(rank: i64) -> Job {
        let new = NewJob::new(Name::new("q").unwrap(), Name::new("k").unwrap());
        Job { rank, ..Job::new(&new, (JobNo(1), JobId::from_parts(JobNo(1), 0)), 1, Timestamp(0), 0) }
    }

    const SLOW: Duration = Duration::from_secs(1);

    #[test]
    fn quick_looks_begin_at_the_beginning() {
        let mut scan_starts = ScanStarts::new(Duration::from_millis(10));
        scan_starts.scanned(key("k"), i64::MIN, 5_000, Duration::from_millis(9));
        assert_eq!(scan_starts.of(&key("k")), i64::MIN);
    }

    #[test]
    fn after_a_slow_look_others_begin_where_it_ended() {
        let mut scan_starts = ScanStarts::new(SLOW);
        scan_starts.scanned(key("k"), i64::MIN, 5_000, SLOW);
        assert_eq!(scan_starts.of(&key("k")), 5_000 - LATE);
        assert_eq!(scan_starts.of(&key("other")), i64::MIN);
        scan_starts.scanned(key("k"), 4_000, 9_000, Duration::ZERO);
        assert_eq!(scan_starts.of(&key("k")), 9_000 - LATE);
    }

    #[test]
    fn what_is_written_here_is_not_passed_over() {
        let here = key("k");
        let mut scan_starts = ScanStarts::new(SLOW);
        scan_starts.scanned(here.clone(), i64::MIN, 5_000, SLOW);
        scan_starts.lower(&queued(6_000));
        assert_eq!(scan_starts.of(&here), 5_000 - LATE);
        scan_starts.lower(&queued(300));
        assert_eq!(scan_starts.of(&here), 300 - LATE);
    }

    #[test]
    fn what_was_taken_back_is_found_again() {
        let mut scan_starts = ScanStarts::new(SLOW);
        scan_starts.scanned(key("k"), i64::MIN, 5_000, SLOW);
        scan_starts.forget();
        assert_eq!(scan_starts.of(&key("k")), i64::MIN);
    }

    #[test]
    fn a_start_does_not_last() {
        let mut scan_starts = ScanStarts::new(Duration::ZERO);
        scan_starts.scanned(key("k"), i64::MIN, 5_000, Duration::ZERO);
        assert_eq!(scan_starts.of(&key("k")), i64::MIN);
    }
}
