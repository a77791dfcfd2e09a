use raincheck_core::{Batch, Command, NewJob, Payload, Refusal, Submitted};
use raincheck_store::{StoreError, Unclaimed};
use std::sync::atomic::Ordering::Relaxed;

use crate::replies::{self, refused_for_good};
use crate::{Engine, Taken};

/// Why none of the jobs was submitted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The rules refuse one of them.
    #[error("job {index} was refused: {refusal:?}")]
    Refused {
        /// Which one, from 0.
        index: usize,
        /// Why the store did not take it.
        refusal: Refusal,
        /// Seconds after which to try again; 0 where waiting does not help.
        retry_after: u64,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// The disk is nearly full; everything that frees space goes on.
    #[error("the disk is nearly full")]
    NoSpace {
        /// Seconds after which to try again.
        retry_after: u64,
    },
    /// The store failed; whether the jobs exist is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seconds to wait when the disk is nearly full: as long as an operator or the retention may take to free some.
const NO_SPACE_SECONDS: u64 = 30;

impl Engine {
    /// Takes new jobs, all or none; answers each in order. Input files of jobs that turn out to exist already, or
    /// that are refused, are removed: the engine owns them from here on, also when nobody waits for the answer any more.
    pub async fn submit(&self, jobs: Vec<NewJob>) -> Result<Vec<Submitted>, SubmitError> {
        match self.submit_any(Command::Submit(jobs)).await? {
            Taken::Now(submitted) => Ok(submitted),
            Taken::Again(_) => Err(StoreError::Other("jobs without a name were taken before".to_owned()).into()),
        }
    }

    /// The same for jobs that have a name together: under a name that a batch of the same content has already, nothing
    /// is new, and the jobs of that one are answered.
    pub async fn submit_batch(&self, batch: Batch) -> Result<Taken, SubmitError> {
        self.submit_any(Command::SubmitBatch(batch)).await
    }

    async fn submit_any(&self, submit: Command) -> Result<Taken, SubmitError> {
        let jobs = submit.new_jobs();
        if !jobs.iter().any(|job| matches!(job.spec.input.payload, Payload::Blob { .. })) {
            return self.submit_with(submit, Vec::new()).await;
        }
        let files = jobs.iter().map(|job| self.own(&job.spec.input.payload)).collect();
        let engine = self.clone();
        self.see_through(async move { engine.submit_with(submit, files).await }).await?
    }

    /// The same; `files` are those of the jobs, or none at all.
    async fn submit_with(&self, submit: Command, files: Vec<Option<Unclaimed>>) -> Result<Taken, SubmitError> {
        let count = submit.new_jobs().len();
        let refused = if let Some(refused) = self.takes_no_submits() {
            refused
        } else if count == 0 {
            return Ok(Taken::Now(Vec::new()));
        } else {
            match self.one(submit).await.map(replies::submit_batch) {
                Ok(Ok(Ok(Taken::Now(submitted)))) => {
                    self.counters().count_submitted(&submitted);
                    let (taken, unused): (Vec<_>, Vec<_>) =
                        files.into_iter().zip(&submitted).partition(|(_, one)| matches!(one, Submitted::New(_)));
                    keep_all(taken.into_iter().filter_map(|(file, _)| file));
                    self.remove_unclaimed(unused.into_iter().filter_map(|(file, _)| file)).await;
                    return Ok(Taken::Now(submitted));
                }
                Ok(Ok(Ok(again))) => {
                    self.counters().replayed.fetch_add(count as u64, Relaxed);
                    self.remove_unclaimed(files.into_iter().flatten()).await;
                    return Ok(again);
                }
                Ok(Ok(Err((index, refusal)))) => {
                    let retry_after = self.retry_after_refusal(&refusal);
                    SubmitError::Refused { index, refusal, retry_after }
                }
                Ok(Err(unexpected)) => {
                    keep_all(files.into_iter().flatten());
                    return Err(unexpected.into());
                }
                Err(StoreError::NoSpace) => SubmitError::NoSpace { retry_after: NO_SPACE_SECONDS },
                Err(error) => {
                    if may_be_done(&error) {
                        keep_all(files.into_iter().flatten());
                    }
                    return Err(error.into());
                }
            }
        };
        self.counters().refused.fetch_add(count as u64, Relaxed);
        self.remove_unclaimed(files.into_iter().flatten()).await;
        Err(refused)
    }

    /// Why every submit is refused now, whatever it is for.
    pub fn takes_no_submits(&self) -> Option<SubmitError> {
        if self.is_draining() {
            return Some(SubmitError::Draining);
        }
        self.store().space().1.then_some(SubmitError::NoSpace { retry_after: NO_SPACE_SECONDS })
    }

    fn retry_after_refusal(&self, refusal: &Refusal) -> u64 {
        match refusal {
            Refusal::QueueFull(queue, _) => self.retry_after_full(queue),
            Refusal::StoreFull(_) => NO_SPACE_SECONDS,
            refused_for_good!() | Refusal::TooManyNames => 0,
        }
    }
}

/// Whether what was answered so may have been done after all: then its files may be some job's. They stay, and those
/// that are not are found by the search for orphans.
pub(crate) fn may_be_done(error: &StoreError) -> bool {
    matches!(error, StoreError::Unknown(_) | StoreError::Stopped(_))
}

/// Leaves files where they are.
pub(crate) fn keep_all(files: impl IntoIterator<Item = Unclaimed>) {
    files.into_iter().for_each(|file| drop(file.claim()));
}
