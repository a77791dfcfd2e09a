use std::sync::atomic::Ordering::Relaxed;

use raincheck_core::{Cancel, Command, JobNo, Name, QueuePatch, QueueSettings};
use raincheck_store::StoreError;

use crate::{CancelAnswer, Engine, PurgeAnswer, QueueError, RunNowAnswer, replies};

impl Engine {
    /// Calls a job off: at once while it waits, by asking its worker while it runs. One that others share is left to
    /// them unless `force`; one whose number is not `seq` any more to whoever changed it.
    pub async fn cancel(&self, no: JobNo, force: bool, seq: Option<u32>) -> Result<CancelAnswer, StoreError> {
        replies::cancel(self.one(Command::Cancel(Cancel { no, force, seq })).await?)
    }

    /// Makes a scheduled job due now, if its number is `seq`, where one is given.
    pub async fn run_now(&self, no: JobNo, seq: Option<u32>) -> Result<RunNowAnswer, StoreError> {
        replies::run_now(self.one(Command::RunNow(no, seq)).await?)
    }

    /// Forgets a finished job and removes its files; a tombstone stays.
    pub async fn purge(&self, no: JobNo) -> Result<PurgeAnswer, StoreError> {
        let (answer, left) = replies::purge(self.one(Command::Purge(no)).await?)?;
        if answer == PurgeAnswer::Done {
            self.counters().purged.fetch_add(1, Relaxed);
        }
        self.remove_files(left.blobs).await;
        Ok(answer)
    }

    /// Changes a queue's settings, making the queue if needed; answers them as they are now.
    pub async fn set_queue(&self, name: Name, patch: QueuePatch) -> Result<QueueSettings, QueueError> {
        let settings = replies::set_queue(self.one(Command::SetQueue(name, patch)).await?)?;
        // No job changed, so no event wakes anybody: a queue that goes on has to be looked at.
        self.0.dispatch.poll();
        Ok(settings)
    }
}
