use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use raincheck_core::{Content, Digest, Failure, Job, LeaseRef, Name, Pattern, Payload, Progress, Spec};
use raincheck_store::{Renewed, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{Beat, Engine, digest};

pub(super) type Running = Pin<Box<dyn Future<Output = Result<Content, Failure>> + Send>>;
pub(super) type Handler = Arc<dyn Fn(Task) -> Running + Send + Sync>;

/// Functions by the kind of job they do.
#[derive(Clone, Default)]
pub struct Handlers {
    by_kind: HashMap<Name, Handler>,
    by_pattern: BTreeMap<Pattern, Handler>,
}

/// One run of one job, as the function that does it sees it.
pub struct Task {
    /// The job.
    pub job: Job,
    /// What was asked for, with the input unless that is a file.
    pub spec: Spec,
    /// Canceled when the function should stop; what it returns then is recorded if it comes in time.
    pub cancel: CancellationToken,
    pub(super) engine: Engine,
    pub(super) unread: Arc<Unread>,
}

/// Why the input could not be read.
#[derive(Default)]
pub(super) struct Unread {
    /// It may be another time, which is no fault of the job.
    pub(super) for_now: AtomicBool,
    /// It is lost.
    pub(super) for_good: AtomicBool,
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
        self.by_kind.insert(kind, handler(function));
        self
    }

    /// The same for the kinds that `pattern` matches: `*` is any kind. A kind that is named goes before patterns, and the
    /// longest pattern that matches before others.
    pub fn register_pattern<F, R>(&mut self, pattern: Pattern, function: F) -> &mut Self
    where
        F: Fn(Task) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Content, Failure>> + Send + 'static,
    {
        self.by_pattern.insert(pattern, handler(function));
        self
    }

    pub(super) fn kinds(&self) -> Vec<Name> {
        self.by_kind.keys().cloned().collect()
    }

    pub(super) fn patterns(&self) -> Vec<Pattern> {
        self.by_pattern.keys().cloned().collect()
    }

    pub(super) fn of(&self, kind: &Name) -> Option<Handler> {
        let matching = || self.by_pattern.iter().filter(|(pattern, _)| pattern.matches(kind));
        let longest = || matching().max_by_key(|(pattern, _)| pattern.as_str().len()).map(|(_, handler)| handler);
        self.by_kind.get(kind).or_else(longest).cloned()
    }
}

fn handler<F, R>(function: F) -> Handler
where
    F: Fn(Task) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Content, Failure>> + Send + 'static,
{
    Arc::new(move |task| Box::pin(function(task)))
}

impl Task {
    /// Which run this is.
    pub fn lease(&self) -> LeaseRef {
        self.job.lease_ref()
    }

    /// The input's bytes: nothing for none, an error where a file cannot be read. A run that fails after such an error is
    /// given back uncounted; where the file is missing or damaged its job fails for good.
    pub async fn input(&self) -> std::io::Result<bytes::Bytes> {
        let (name, size) = match &self.spec.input.payload {
            Payload::Empty => return Ok(bytes::Bytes::new()),
            Payload::Inline(bytes) => return Ok(bytes.clone()),
            Payload::Blob { name, size } => (name, *size),
        };
        let (blobs, expected) = (self.engine.store().blobs(), self.spec.input.digest);
        let read = blobs.bytes(name, size).await.and_then(|bytes| match expected {
            known if known != Digest::default() && digest(&bytes) != known => Err(ErrorKind::InvalidData.into()),
            _ => Ok(bytes),
        });
        if let Err(error) = &read {
            let lost = match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData => true,
                ErrorKind::NotFound => blobs.is_there().await,
                _ => false,
            };
            tracing::error!(%error, job = %self.job.id, file = &**name, lost, "an input cannot be read");
            if lost { &self.unread.for_good } else { &self.unread.for_now }.store(true, Ordering::Relaxed);
        }
        read
    }

    /// Tells how far the run has come; answers whether it should go on.
    pub async fn progress(&self, progress: Progress) -> Result<bool, StoreError> {
        let beat = Beat { lease: self.lease(), ttl: None, progress: Some(progress) };
        let answers = self.engine.heartbeat(vec![beat], 0).await?;
        Ok(matches!(answers.first(), Some(Renewed::Extended { cancel_requested: false, .. })))
    }
}
