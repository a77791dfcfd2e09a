//! The table of jobs with everything that is derived from it: who is ready, due, late, over, and how many there are.

use std::collections::{BTreeMap, BTreeSet};

use raincheck_core::{Job, JobNo, Name, State, Timestamp};

/// Jobs and their indexes, with an open transaction.
#[derive(Debug, Default)]
pub struct Jobs {
    rows: BTreeMap<JobNo, Job>,
    undo: Vec<(JobNo, Option<Job>)>,
    ready: BTreeMap<(Name, Name), BTreeSet<(i64, JobNo)>>,
    due: BTreeSet<(Timestamp, JobNo)>,
    late: BTreeSet<(Timestamp, JobNo)>,
    expiring: BTreeSet<(Timestamp, JobNo)>,
    counters: BTreeMap<(Name, Name), [u64; 7]>,
}

impl Jobs {
    pub fn get(&self, no: JobNo) -> Option<&Job> {
        self.rows.get(&no)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.rows.values()
    }

    pub fn put(&mut self, job: Job) {
        let no = job.no;
        let before = self.replace(no, Some(job));
        self.undo.push((no, before));
    }

    pub fn remove(&mut self, no: JobNo) {
        let before = self.replace(no, None);
        self.undo.push((no, before));
    }

    pub fn commit(&mut self) {
        self.undo.clear();
    }

    pub fn rollback(&mut self) {
        let undo: Vec<_> = self.undo.drain(..).rev().collect();
        for (no, before) in undo {
            self.replace(no, before);
        }
    }

    fn replace(&mut self, no: JobNo, after: Option<Job>) -> Option<Job> {
        let before = self.rows.remove(&no);
        if let Some(job) = &before {
            self.index(job, false);
        }
        if let Some(job) = after {
            self.index(&job, true);
            self.rows.insert(no, job);
        }
        before
    }

    fn index(&mut self, job: &Job, on: bool) {
        fn put<T: Ord>(set: &mut BTreeSet<T>, entry: T, on: bool) {
            if on {
                set.insert(entry);
            } else {
                set.remove(&entry);
            }
        }
        let pair = || (job.queue.clone(), job.kind.clone());
        let counter = &mut self.counters.entry(pair()).or_default()[job.state as usize];
        *counter = if on { *counter + 1 } else { *counter - 1 };
        match job.state {
            State::Queued => put(self.ready.entry(pair()).or_default(), (job.rank, job.no), on),
            State::Scheduled => put(&mut self.due, (job.run_at, job.no), on),
            _ => {}
        }
        if let Some(by) = job.start_by.filter(|_| job.state.is_waiting() && job.attempt == 0) {
            put(&mut self.late, (by, job.no), on);
        }
        if let Some(at) = job.expires_at {
            put(&mut self.expiring, (at, job.no), on);
        }
    }

    /// Ready jobs of one queue and kind, best rank first.
    pub fn ready(&self, pair: &(Name, Name)) -> impl Iterator<Item = &Job> {
        self.ready.get(pair).into_iter().flatten().filter_map(|(_, no)| self.rows.get(no))
    }

    /// Every queue and kind of which there was a job.
    pub fn pairs(&self) -> impl Iterator<Item = (&(Name, Name), &[u64; 7])> {
        self.counters.iter()
    }

    /// Jobs by state, of those queues and kinds that `of` picks.
    pub fn count(&self, of: impl Fn(&Name, &Name) -> bool) -> [u64; 7] {
        let mut sum = [0; 7];
        for ((queue, kind), by_state) in &self.counters {
            if of(queue, kind) {
                sum.iter_mut().zip(by_state).for_each(|(sum, n)| *sum += n);
            }
        }
        sum
    }

    /// Scheduled jobs whose time has come, longest due first.
    pub fn due(&self, now: Timestamp, limit: usize) -> Vec<Job> {
        self.until(&self.due, now, limit)
    }

    /// Jobs that still wait for their first start and are too late for it.
    pub fn late(&self, now: Timestamp, limit: usize) -> Vec<Job> {
        self.until(&self.late, now, limit)
    }

    /// Jobs past their retention.
    pub fn expired(&self, now: Timestamp, limit: usize) -> Vec<Job> {
        self.until(&self.expiring, now, limit)
    }

    fn until(&self, times: &BTreeSet<(Timestamp, JobNo)>, now: Timestamp, limit: usize) -> Vec<Job> {
        let found = times.iter().take_while(|(at, _)| *at <= now).take(limit);
        found.filter_map(|(_, no)| self.rows.get(no)).cloned().collect()
    }

    /// When the next job is due or late.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().into_iter().chain(self.late.first()).map(|(at, _)| *at).min()
    }

    /// When the next job is past its retention.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expiring.first().map(|(at, _)| *at)
    }
}
