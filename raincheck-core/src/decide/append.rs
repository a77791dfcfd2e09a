use crate::command::Append;
use crate::job::Job;

/// Whether a run may add to its stream or log: as long as it is under way.
pub fn may_append(job: &Job, append: &Append) -> bool {
    job.is_on(append.lease)
}
