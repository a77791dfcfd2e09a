//! How a worker runs a kind: a [`Runner`] turns a [`Task`] into an [`Outcome`].
//!
//! A new way to run jobs is one file here. The worker calls runners and owns everything around them: leases,
//! heartbeats, delivery of the outcome.

mod append;
#[cfg(unix)]
pub mod command;
pub mod function;
mod outcome;
mod outgoing;
mod parts;
mod task;

use std::time::Duration;

pub use function::function;
pub use outcome::Outcome;
pub(crate) use parts::TaskParts;
pub use raincheck_worker::{Stop, StopReason};
pub use task::Task;

use crate::Error;

/// Runs the jobs of a kind.
#[async_trait::async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Runs one job. When [`Task::stopped`] resolves it should return soon; what it returns after a lost lease is
    /// thrown away. A panic is a failed, retryable run.
    async fn run(&self, task: Task) -> Outcome;

    /// Whether it could run a job now, whatever the job. A worker asks before it takes its first job and again after
    /// [`Outcome::Trouble`]; while the answer is an error it takes none.
    ///
    /// # Errors
    /// Why not.
    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// How long it may take to return after it was told to stop; then its future is dropped.
    fn stops_within(&self) -> Duration {
        Duration::from_secs(5)
    }
}
