use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raincheck_core::{Content, Failure, FailureCode, JobId, LeaseRef, Millis, Outcome};
use raincheck_worker::{Controls, Ending, Host, Over, Run};

use super::handlers::{Handlers, Running, Task, Unread};
use super::transport::InProcess;
use crate::{Engine, Leased};

/// A job whose input could not be read is not tried again sooner, milliseconds.
const UNREAD_PAUSE: Millis = 5_000;

/// Runs jobs by functions.
pub(super) struct Functions {
    pub(super) engine: Engine,
    pub(super) handlers: Handlers,
    /// See [`crate::LocalOptions::grace`].
    pub(super) grace: Duration,
}

impl Host for Functions {
    type Transport = InProcess;
    type Run = FunctionRun;

    fn begin(&self, leased: Leased, controls: Controls<InProcess>) -> Option<FunctionRun> {
        let (handler, unread) = (self.handlers.of(&leased.job.kind)?, Arc::new(Unread::default()));
        let (job, lease) = (leased.job.id, leased.job.lease_ref());
        let (cancel, engine) = (controls.stop.token().clone(), self.engine.clone());
        let task = Task { job: leased.job, spec: leased.spec, cancel, engine, unread: unread.clone() };
        // It is called where its panic is caught.
        let work: Running = Box::pin(async move { handler(task).await });
        Some(FunctionRun { job, lease, work: Some(work), grace: self.grace, unread })
    }

    /// A function that is there can be called.
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn stops_within(&self) -> Duration {
        self.grace
    }
}

/// A run of a job by a function.
pub(super) struct FunctionRun {
    job: JobId,
    lease: LeaseRef,
    /// Until it begins.
    work: Option<Running>,
    grace: Duration,
    unread: Arc<Unread>,
}

impl Run<InProcess> for FunctionRun {
    type Outcome = Result<Content, Failure>;

    fn job(&self) -> String {
        self.job.to_string()
    }

    async fn work(&mut self) -> Result<Content, Failure> {
        match self.work.take() {
            Some(work) => work.await,
            None => std::future::pending().await,
        }
    }

    fn stops_within(&self) -> Duration {
        self.grace
    }

    fn outcome(&self, over: Over<Result<Content, Failure>>) -> Result<Content, Failure> {
        let failed = |why| Err(Failure::of(FailureCode::Failed, why));
        match over {
            Over::Returned(returned) => returned,
            Over::Panicked(what) => failed(format!("the function broke off by a panic: {what}")),
            Over::Dropped => failed("dropped: it did not stop when asked to".to_owned()),
        }
    }

    async fn end(&mut self, returned: Result<Content, Failure>) -> Ending<(LeaseRef, Outcome)> {
        let outcome = match returned {
            Ok(content) => Outcome::Complete(content),
            Err(_) if self.unread.for_good.load(Ordering::Relaxed) => {
                let failure = Failure::of(FailureCode::Failed, "payload-lost: the input is lost");
                Outcome::Fail { failure, retryable: false, retry_after: None }
            }
            Err(_) if self.unread.for_now.load(Ordering::Relaxed) => {
                tracing::error!("an input cannot be read; its job is given back for a while");
                Outcome::Release { delay: UNREAD_PAUSE }
            }
            Err(failure) => Outcome::Fail { failure, retryable: true, retry_after: None },
        };
        Ending::HandIn { end: (self.lease, outcome), went_well: true }
    }
}
