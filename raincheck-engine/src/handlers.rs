use std::collections::HashMap;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use raincheck_core::{Content, Failure, Job, LeaseRef, Name, Payload, Progress, Spec};
use raincheck_store::{Renewed, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{Beat, Engine};

type Running = Pin<Box<dyn Future<Output = Result<Content, Failure>> + Send>>;
pub(crate) type Handler = Arc<dyn Fn(Task) -> Running + Send + Sync>;

/// Functions by the kind of job they do.
#[derive(Clone, Default)]
pub struct Handlers(HashMap<Name, Handler>);

/// One run of one job, as the function that does it sees it.
pub struct Task {
    /// The job.
    pub job: Job,
    /// What was asked for, with the input unless that is a file.
    pub spec: Spec,
    /// Canceled when the function should stop; what it returns then is recorded if it comes in time.
    pub cancel: CancellationToken,
    pub(crate) engine: Engine,
    /// The input is there and could not be read, which is no fault of the job.
    pub(crate) unread: Arc<AtomicBool>,
}

impl Handlers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Jobs of `kind` are done by `function`: its `Ok` is the job's result, its `Err` a failed attempt, tried
    /// again as the job says. A panic is a failed attempt too.
    pub fn register<F, R>(&mut self, kind: Name, function: F) -> &mut Self
    where
        F: Fn(Task) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Content, Failure>> + Send + 'static,
    {
        self.0.insert(kind, Arc::new(move |task| Box::pin(function(task))));
        self
    }

    pub(crate) fn kinds(&self) -> Vec<Name> {
        self.0.keys().cloned().collect()
    }

    pub(crate) fn of(&self, kind: &Name) -> Option<Handler> {
        self.0.get(kind).cloned()
    }
}

impl Task {
    /// Which run this is.
    pub fn lease(&self) -> LeaseRef {
        self.job.lease_ref()
    }

    /// The input's bytes: nothing for none, an error where a file cannot be read. A run that fails after such an error is
    /// given back uncounted, unless the file is missing.
    pub async fn input(&self) -> std::io::Result<bytes::Bytes> {
        match &self.spec.input.payload {
            Payload::Empty => Ok(bytes::Bytes::new()),
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Blob { name, size } => self.engine.store().blobs().bytes(name, *size).await.inspect_err(|error| {
                let missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof);
                self.unread.fetch_or(!missing, Ordering::Relaxed);
            }),
        }
    }

    /// Tells how far the run has come; answers whether it should go on.
    pub async fn progress(&self, progress: Progress) -> Result<bool, StoreError> {
        let beat = Beat { lease: self.lease(), ttl: None, progress: Some(progress) };
        let answers = self.engine.heartbeat(vec![beat], 0).await?;
        Ok(matches!(answers.first(), Some(Renewed::Extended { cancel_requested: false, .. })))
    }
}
