use raincheck_core::{Command, NewJob, Payload, Refusal, Reply, Submitted};
use raincheck_store::StoreError;
use std::sync::atomic::Ordering::Relaxed;

use crate::Engine;

/// Why none of the jobs was submitted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The rules refuse one of them.
    #[error("job {index} was refused: {refusal:?}")]
    Refused {
        /// Which one, from 0.
        index: usize,
        /// Why.
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
    /// that are refused, are removed: the engine owns them from here on.
    pub async fn submit(&self, jobs: Vec<NewJob>) -> Result<Vec<Submitted>, SubmitError> {
        let files: Vec<Option<Box<str>>> = jobs.iter().map(|job| file(&job.spec.input.payload)).collect();
        let refused = if let Some(refused) = self.takes_no_submits() {
            refused
        } else if jobs.is_empty() {
            return Ok(Vec::new());
        } else {
            match self.one(Command::Submit(jobs)).await {
                Ok(Reply::Submitted(submitted)) => {
                    self.counters().count_submitted(&submitted);
                    let unused = files.into_iter().zip(&submitted);
                    let unused = unused.filter(|(_, one)| !matches!(one, Submitted::New(_)));
                    self.remove_files(unused.filter_map(|(name, _)| name).collect()).await;
                    return Ok(submitted);
                }
                Ok(Reply::Refused(index, refusal)) => {
                    let retry_after = self.retry_after_refusal(&refusal);
                    SubmitError::Refused { index, refusal, retry_after }
                }
                Ok(other) => return Err(odd(&other).into()),
                Err(StoreError::NoSpace) => SubmitError::NoSpace { retry_after: NO_SPACE_SECONDS },
                // The jobs may exist after all: their files stay, and the store sweeps orphans at its next start.
                Err(error) => return Err(error.into()),
            }
        };
        self.counters().refused.fetch_add(files.len() as u64, Relaxed);
        self.remove_files(files.into_iter().flatten().collect()).await;
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
            Refusal::QueueFull(queue) => self.retry_after_full(queue),
            Refusal::StoreFull => NO_SPACE_SECONDS,
            Refusal::KeyReused(_) | Refusal::IdConflict(_) | Refusal::Purged(_) | Refusal::TooManyNames => 0,
        }
    }
}

/// The file behind a payload.
pub(crate) fn file(payload: &Payload) -> Option<Box<str>> {
    match payload {
        Payload::Blob { name, .. } => Some(name.clone()),
        Payload::Empty | Payload::Inline(_) => None,
    }
}

/// A store answered a command with something that its contract does not allow.
pub(crate) fn odd(reply: &Reply) -> StoreError {
    StoreError::Other(format!("unexpected answer {reply:?}"))
}
