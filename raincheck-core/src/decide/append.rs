use crate::command::Append;
use crate::job::Job;
use crate::lease::ChunkKind;
use crate::state::State;

/// Whether a run may add to its stream or log. A stream ends with its run. A log takes what a program writes while it is
/// being stopped, when its run has timed out long ago: until another run begins.
pub fn may_append(job: &Job, append: &Append) -> bool {
    job.attempt == append.lease.attempt && (job.state == State::Running || append.kind == ChunkKind::Log)
}
