//! The jobs that run, as the writer last wrote them: each run ends with its job read once more, and here it needs no row.
//!
//! Only the writer writes jobs, so what stands here is what stands in the database, the transaction that is under way
//! included. Whoever takes back a transaction must [`Running::clear`] it.

use std::collections::BTreeMap;

use raincheck_core::{Job, JobNo, State};

/// Most of them; the others are read.
const MOST: usize = 10_000;

/// Jobs in the state running; not all of them.
#[derive(Debug, Default)]
pub(crate) struct Running(BTreeMap<JobNo, Box<Job>>);

impl Running {
    /// The job, if it runs and is kept.
    pub fn get(&self, no: JobNo) -> Option<&Job> {
        self.0.get(&no).map(|job| &**job)
    }

    /// A job was written.
    pub fn note(&mut self, job: Box<Job>) {
        if job.state != State::Running {
            self.0.remove(&job.no);
        } else if self.0.len() < MOST || self.0.contains_key(&job.no) {
            self.0.insert(job.no, job);
        }
    }

    /// Nothing that was written lately is sure any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
