use std::sync::atomic::Ordering::Relaxed;

use raincheck_core::{Cancel, Command, JobNo, Name, QueuePatch, QueueSettings, Refusal, Reply, limits};
use raincheck_store::StoreError;

use crate::Engine;
use crate::submit::odd;

impl Engine {
    /// Calls a job off: at once while it waits, by asking its worker while it runs. Answers [`Reply::Job`],
    /// [`Reply::Finished`], [`Reply::Shared`] (unless `force`) or [`Reply::Gone`].
    pub async fn cancel(&self, no: JobNo, force: bool) -> Result<Reply, StoreError> {
        self.one(Command::Cancel(Cancel { no, force })).await
    }

    /// Makes a scheduled job due now. Answers [`Reply::Job`], [`Reply::NotWaiting`] or [`Reply::Gone`].
    pub async fn run_now(&self, no: JobNo) -> Result<Reply, StoreError> {
        self.one(Command::RunNow(no)).await
    }

    /// Forgets a finished job and removes its files; a tombstone stays. Answers [`Reply::Purged`],
    /// [`Reply::NotFinished`] or [`Reply::Gone`].
    pub async fn purge(&self, no: JobNo) -> Result<Reply, StoreError> {
        let reply = self.one(Command::Purge(no)).await?;
        if let Reply::Purged(purged) = &reply {
            self.counters().purged.fetch_add(1, Relaxed);
            self.remove_files(purged.blobs.clone()).await;
        }
        Ok(reply)
    }

    /// Changes a queue's settings, making the queue if needed; answers them as they are now.
    pub async fn set_queue(&self, name: Name, patch: QueuePatch) -> Result<QueueSettings, QueueError> {
        match self.one(Command::SetQueue(name, patch)).await? {
            Reply::Queue(settings) => {
                // No job changed, so no event wakes anybody: a queue that goes on has to be looked at.
                self.0.dispatch.look();
                Ok(settings)
            }
            Reply::Refused(_, Refusal::TooManyNames) => Err(QueueError::TooMany),
            other => Err(odd(&other).into()),
        }
    }
}

/// Why a queue was not set.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It would be one more than there may be in use.
    #[error(
        "{} queues hold jobs or have settings, and no more may; purge old jobs, or set the settings of others back",
        limits::QUEUES
    )]
    TooMany,
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}
