//! What a claim may stand for: a job that is here, or one that was purged and is remembered.

use raincheck_core::{ClaimScope, JobId, JobNo};

use crate::checkup::{CheckPage, Invariant};
use crate::codec::unpacked_jobs;

/// A claim as its row says it.
pub(crate) struct Claim<'a> {
    /// Of a [`ClaimScope`].
    pub scope: i64,
    /// In which queue; 0 is in all.
    pub queue: i64,
    pub key: &'a [u8],
    /// The job that it stands for.
    pub no: i64,
    pub here: Option<Owner>,
    /// The id of the job, as what remembers its purge says.
    pub tombstone: Option<[u8; 16]>,
    /// Of a batch, its packed jobs.
    pub jobs: Option<&'a [u8]>,
    /// How many of those are neither here nor remembered, and have numbers above all that were ever forgotten.
    pub lost: usize,
}

/// The job that a claim stands for, as its own row says it.
pub(crate) struct Owner {
    pub id: JobId,
    pub queue: i64,
    pub is_get: bool,
}

impl Claim<'_> {
    /// Tells what it wrongly stands for.
    pub fn judge(&self, page: &mut CheckPage) {
        let scope = ClaimScope::from_number(self.scope);
        let what = match scope {
            Some(ClaimScope::Id) => "a chosen id",
            Some(ClaimScope::Key) => "a key",
            Some(ClaimScope::Equal) => "an equal job",
            Some(ClaimScope::Batch) => "a batch",
            None => "a name of no known scope",
        };
        let (is_id, is_equal) = (scope == Some(ClaimScope::Id), scope == Some(ClaimScope::Equal));
        let is_batch = scope == Some(ClaimScope::Batch);
        let jobs = self.jobs.and_then(unpacked_jobs);
        let of_queue = |job: &Owner| if scope.is_some_and(ClaimScope::is_of_queue) { job.queue } else { 0 };
        let wrong = match (&self.here, self.tombstone) {
            (None, None) => "a job that is neither here nor remembered",
            (None, Some(_)) if is_equal => "a job that was purged",
            (None, Some(id)) if is_id && self.key != id => "a purged job of another id",
            (Some(job), _) if is_id && self.key != job.id.0.as_bytes() => "a job of another id",
            (Some(job), _) if self.queue != of_queue(job) => "a job of another queue",
            (Some(job), _) if is_equal && !job.is_get => "a POST job",
            _ if is_batch && jobs.is_none() => "jobs that cannot be read",
            _ if is_batch && !jobs.is_some_and(|jobs| jobs.contains(&JobNo(self.no))) => "a job that it does not name",
            _ if !is_batch && self.jobs.is_some() => "jobs of a batch",
            _ if self.lost > 0 => "jobs that are neither here nor remembered, and never were forgotten",
            _ => return,
        };
        let subject = self.here.as_ref().map_or_else(|| format!("job number {}", self.no), |job| job.id.to_string());
        let detail = format!("{what}, {:?}, stands for {wrong}", String::from_utf8_lossy(self.key));
        page.found(Invariant::Claims, subject, detail);
    }
}

/// That `what` a job says is its own stands for this very job; `owner` is the one that it stands for.
pub(crate) fn stands_for(page: &mut CheckPage, no: i64, subject: &str, what: &str, owner: Option<i64>) {
    let whom = match owner {
        Some(owner) if owner == no => return,
        Some(_) => "another job",
        None => "no job",
    };
    page.found(Invariant::Keys, subject, format!("{what} stands for {whom}"));
}
