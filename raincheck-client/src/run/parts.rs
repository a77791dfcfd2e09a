//! What the worker and the runner of one run share.

use std::{
    any::Any,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use raincheck_worker::{Controls, Latest, Transport};
use tokio_util::sync::CancellationToken;

use super::{Outcome, Stop, StopReason, append::Append};
use crate::{
    Client, Error,
    api::{Lease, Progress},
};

/// Output that is on its way when a run ends may take so long to arrive at a server that is there.
const CLOSE_WITHIN: Duration = Duration::from_secs(60);
/// Likewise the log of a run whose lease is lost.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(5);

/// What a run is made of; the worker holds it until the outcome is delivered.
pub(crate) struct TaskParts {
    pub(crate) client: Client,
    pub(crate) lease: Lease,
    pub(crate) stop: Stop,
    pub(super) progress: Arc<Latest<Progress>>,
    pub(super) stream: OnceLock<Append>,
    pub(super) log: OnceLock<Append>,
    guards: Mutex<Vec<Box<dyn Any + Send>>>,
    /// What became of it when its input could not be had, where that says nothing about what its runner does.
    unread: Mutex<Option<Outcome>>,
    /// The worker takes no more.
    pub(super) draining: CancellationToken,
}

impl TaskParts {
    pub(crate) fn new<T>(client: Client, lease: Lease, controls: Controls<T>) -> Self
    where
        T: Transport<Progress = Progress>,
    {
        let Controls { stop, progress, draining } = controls;
        Self {
            client,
            lease,
            stop,
            progress,
            stream: OnceLock::new(),
            log: OnceLock::new(),
            guards: Mutex::new(Vec::new()),
            unread: Mutex::default(),
            draining,
        }
    }

    /// Sends the last of stream and log; nothing can be written any more. Of a run that is over the log is still taken.
    pub(crate) async fn close(&self) {
        let lost = self.stop.reason() == Some(StopReason::Lost);
        let within = if lost { LAST_LINES_WITHIN } else { CLOSE_WITHIN };
        for append in [self.stream.get().filter(|_| !lost), self.log.get()].into_iter().flatten() {
            append.close(within).await;
        }
    }

    /// The outcome of a run whose stream is not whole.
    pub(crate) fn stream_failure(&self) -> Option<Outcome> {
        self.stream.get().and_then(Append::failure)
    }

    pub(super) fn keep(&self, guard: Box<dyn Any + Send>) {
        if let Ok(mut guards) = self.guards.lock() {
            guards.push(guard);
        }
    }

    /// Keeps in mind what kept the input from its run. The first stays.
    pub(super) fn cannot_have_input(&self, error: &Error) {
        if (error.is_own_trouble() || error.is_payload_lost())
            && let Ok(mut unread) = self.unread.lock()
        {
            unread.get_or_insert_with(|| Outcome::of_error(error));
        }
    }

    /// Of a run that failed without its input this counts, and not what its runner says.
    pub(crate) fn without_input(&self) -> Option<Outcome> {
        self.unread.lock().ok()?.take()
    }

    /// The outcome is delivered: what was kept for it may go.
    pub(crate) fn delivered(&self) {
        let guards = self.guards.lock().map_or(Vec::new(), |mut guards| std::mem::take(&mut *guards));
        drop(guards);
    }
}
