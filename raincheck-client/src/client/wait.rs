//! Waiting for the end of a job, through restarts of the server and broken connections.

use std::time::Duration;

use raincheck_worker::Backoff;
use tokio::time::Instant;

use super::Client;
use crate::{Error, api::Job};

/// One long poll; well under the 60 s after which proxies cut.
const POLL: Duration = Duration::from_secs(20);

impl Client {
    /// Waits until the job is done, whatever its outcome, and answers it. A server that is away is waited for, too.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it is not done within `timeout`; 404 and 410 as [`Client::get`].
    pub async fn wait(&self, id: &str, timeout: Option<Duration>) -> Result<Job, Error> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let mut backoff = Backoff::default();
        loop {
            let poll = left().map_or(POLL, |left| left.min(POLL));
            // Rounded up to the server's whole seconds, the last poll may end a little after the deadline.
            let asked = Instant::now();
            match self.get(id, Some(poll.max(Duration::from_millis(1)))).await {
                Ok(job) if job.done || job.state.is_final() => return Ok(job),
                // A server that does not hold requests must not be asked in a hot loop.
                Ok(_) if asked.elapsed() < poll / 2 => {
                    let pause = backoff.next_pause();
                    tokio::time::sleep(left().map_or(pause, |left| left.min(pause))).await;
                }
                Ok(_) => backoff.reset(),
                Err(error) if error.is_transient() => {
                    tracing::debug!(job = id, %error, "waiting for the server");
                    self.shared.outages.waits(&error);
                    let pause = backoff.after(&error);
                    tokio::time::sleep(left().map_or(pause, |left| left.min(pause))).await;
                }
                Err(error) => return Err(error),
            }
            if let (Some(timeout), Some(Duration::ZERO)) = (timeout, left()) {
                return Err(Error::TimedOut(timeout));
            }
        }
    }
}
