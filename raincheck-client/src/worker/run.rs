//! Runs leases with the runner of their kind.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use raincheck_worker::{Controls, Ending, Host, Over, Run, StopReason};

use super::{deliver, http::Http, kinds::Kinds};
use crate::{
    Client, Error,
    api::{Finish, FinishAction, Lease, WireDuration},
    client::ResultBody,
    run::{Outcome, Runner, Task, TaskParts},
};

/// A JSON result up to this size rides along with others; in bytes.
const INLINE_MAX: usize = 64 * 1024;

/// The runners of one worker.
pub(super) struct Runners {
    pub(super) client: Client,
    pub(super) kinds: Kinds,
}

impl Host for Runners {
    type Transport = Http;
    type Run = RunnerRun;

    fn begin(&self, lease: Lease, controls: Controls<Http>) -> Option<RunnerRun> {
        let Some(runner) = self.kinds.runner(&lease.job.kind).cloned() else {
            tracing::error!(kind = lease.job.kind, "leased a kind that was not asked for");
            return None;
        };
        Some(RunnerRun { runner, parts: Arc::new(TaskParts::new(self.client.clone(), lease, controls)) })
    }

    /// Asks each runner, once where it serves several kinds.
    async fn ready(&self) -> Result<(), String> {
        let mut asked: Vec<&Arc<dyn Runner>> = Vec::new();
        for runner in self.kinds.runners() {
            if !asked.iter().any(|one| Arc::ptr_eq(one, runner)) {
                runner.ready().await.map_err(|error| error.in_full())?;
                asked.push(runner);
            }
        }
        Ok(())
    }

    fn stops_within(&self) -> Duration {
        self.kinds.runners().map(|runner| runner.stops_within()).max().unwrap_or_default()
    }
}

/// A run of a job by a runner.
pub(super) struct RunnerRun {
    runner: Arc<dyn Runner>,
    parts: Arc<TaskParts>,
}

impl Run<Http> for RunnerRun {
    type Outcome = Outcome;

    fn job(&self) -> String {
        self.parts.lease.job.id.clone()
    }

    async fn work(&mut self) -> Outcome {
        self.runner.run(Task::new(self.parts.clone())).await
    }

    fn stops_within(&self) -> Duration {
        self.runner.stops_within()
    }

    fn outcome(&self, over: Over<Outcome>) -> Outcome {
        let outcome = match over {
            Over::Returned(outcome) => outcome,
            Over::Panicked(detail) => Outcome::retry("panic", "the run panicked", detail),
            Over::Dropped => Outcome::fail("canceled", "the run was stopped", ""),
        };
        match outcome {
            // It failed because it was told to stop, and that is not its fault.
            Outcome::Fail(_) if self.parts.stop.reason() == Some(StopReason::Drain) => Outcome::Release(None),
            Outcome::Fail(failure) => self.parts.without_input().unwrap_or(Outcome::Fail(failure)),
            other => other,
        }
    }

    fn trouble(outcome: &Outcome) -> Option<&str> {
        match outcome {
            Outcome::Trouble(what) => Some(what),
            _ => None,
        }
    }

    async fn close(&mut self, outcome: &Outcome) {
        if let Outcome::Trouble(what) = outcome {
            let task = Task::new(self.parts.clone());
            task.log(&format!("raincheck: given back, as this worker cannot run it: {what}"));
        }
        self.parts.close().await;
    }

    async fn end(&mut self, outcome: Outcome) -> Ending<Finish> {
        let outcome = match outcome {
            given_back @ (Outcome::Release(_) | Outcome::Trouble(_)) => given_back,
            ended => self.parts.stream_failure().unwrap_or(ended),
        };
        let (parts, lease) = (&self.parts, &self.parts.lease.lease);
        let outcome = match outcome {
            Outcome::Complete(large) if !rides_along(&large) => {
                match deliver::complete(&parts.client, lease, &large).await {
                    Ok(()) => return Ending::HandedIn,
                    Err(error) => unread(&*self.runner, &error).await,
                }
            }
            other => other,
        };
        let went_well = matches!(outcome, Outcome::Complete(_) | Outcome::Fail(_));
        let action = match outcome {
            Outcome::Complete(ResultBody::Json(json)) => FinishAction::Complete { result: Some(json) },
            Outcome::Complete(_) => FinishAction::Complete { result: None },
            Outcome::Fail(failure) => FinishAction::Fail(failure.acceptable()),
            Outcome::Release(delay) => {
                FinishAction::Release { delay: delay.map(|delay| WireDuration(delay).acceptable()) }
            }
            Outcome::Trouble(what) => return Ending::Trouble(what),
        };
        Ending::HandIn { end: Finish { lease: lease.clone(), action }, went_well }
    }
}

impl Drop for RunnerRun {
    fn drop(&mut self) {
        self.parts.delivered();
    }
}

fn rides_along(result: &ResultBody) -> bool {
    match result {
        ResultBody::None => true,
        ResultBody::Json(json) => json.get().len() <= INLINE_MAX,
        ResultBody::Bytes { .. } | ResultBody::File { .. } | ResultBody::OpenFile { .. } => false,
    }
}

/// The outcome of a run whose result cannot be read from its file. One that is not there is the runner's mistake, unless
/// nothing could be run here now.
async fn unread(runner: &dyn Runner, error: &Error) -> Outcome {
    let mistake = matches!(error, Error::Io { source, .. } if matches!(
        source.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::IsADirectory | ErrorKind::NotADirectory
    ));
    if mistake && runner.ready().await.is_ok() {
        return Outcome::retry("result-refused", "the result could not be read", error.in_full());
    }
    Outcome::Trouble(error.in_full())
}
