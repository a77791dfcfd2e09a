use std::io::ErrorKind;

use raincheck_core::decide::{Rerun, may_rerun};
use raincheck_core::{Content, Job, NewJob, Payload, Sameness, Spec, Submitted};
use raincheck_store::{Record, StoreError, Unclaimed};

use crate::submit::keep_all;
use crate::wire::canonical;
use crate::{Engine, SubmitError};

/// How a job is run again.
#[derive(Debug, Default)]
pub struct RerunRequest {
    /// Another input than the first time, and by what it is the same as another.
    pub input: Option<(Content, Sameness)>,
    /// Makes a retry of the request safe, as the key of a submit does.
    pub key: Option<Box<str>>,
    /// Even a `POST` job that has succeeded.
    pub force: bool,
}

/// Why a job was not run again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RerunError {
    /// It is not final yet.
    #[error("the job is not finished")]
    NotFinished,
    /// It changed state once and must not do so twice, unless forced.
    #[error("the job has succeeded and must not run twice")]
    Done,
    /// It was purged, or the data came back without it.
    #[error("the job is gone")]
    Gone,
    /// The file of its input is lost.
    #[error("the input is lost")]
    Lost,
    /// The new job was not taken.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl From<StoreError> for RerunError {
    fn from(error: StoreError) -> Self {
        RerunError::Submit(error.into())
    }
}

impl Engine {
    /// Submits a new job like `record`; never joined with an equal one, because whoever asks for it wants it run. A file of
    /// the input is the engine's from here on.
    pub async fn rerun(&self, record: &Record, request: RerunRequest) -> Result<Submitted, RerunError> {
        let RerunRequest { input, key, force } = request;
        let (input, sameness) = input.unzip();
        let given = input.as_ref().and_then(|input| self.own(&input.payload));
        match may_rerun(&record.job, force) {
            Rerun::Allowed => {}
            Rerun::NotFinished => return Err(RerunError::NotFinished),
            Rerun::Done => return Err(RerunError::Done),
        }
        let (input, file) = match input {
            Some(input) => (input, given),
            None => self.copy_input(&record.job).await?,
        };
        let mut new = NewJob::again(&record.job, Spec { input, ..record.spec.clone() });
        new.spec.key = key;
        new.compare_again(record.job.id, sameness.as_ref(), canonical);
        // From the next line on it is the submit's.
        keep_all(file);
        let submitted = self.submit(vec![new]).await?;
        submitted.into_iter().next().ok_or(RerunError::Gone)
    }

    /// The input for a job of its own: a file gets a second name, because each job removes its own.
    async fn copy_input(&self, job: &Job) -> Result<(Content, Option<Unclaimed>), RerunError> {
        let mut input = self.store().input(job.no).await?.ok_or(RerunError::Gone)?;
        let Payload::Blob { name, .. } = &mut input.payload else { return Ok((input, None)) };
        let copy = self.store().blobs().duplicate(name).await;
        let copy = match copy {
            Err(error) if error.kind() == ErrorKind::NotFound && self.store().blobs().is_there().await => {
                tracing::error!(job = %job.id, file = &**name, "a payload is lost: its file is not there");
                return Err(RerunError::Lost);
            }
            copy => copy.map_err(|e| StoreError::Other(format!("copying the input: {e}")))?,
        };
        *name = copy.name().into();
        Ok((input, Some(copy)))
    }
}
