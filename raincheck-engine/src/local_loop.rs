use std::time::Duration;

use raincheck_core::{Failure, FailureCode, LeaseRef, Millis, Outcome};
use raincheck_store::StoreError;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{Engine, Finish, Handlers, LeaseError, LeaseRequest, Leased, LocalOptions, WorkerId, local_run};

/// How long an idle worker waits for work before it asks anew, milliseconds.
const WAIT_MILLIS: Millis = 30_000;
/// Pause after the engine failed to answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks for work while there is room, and reports ends with the next request.
pub(crate) struct Loop {
    pub(crate) engine: Engine,
    pub(crate) handlers: Handlers,
    pub(crate) options: LocalOptions,
    pub(crate) stopping: CancellationToken,
}

/// An end to report; `None` when the run was lost and nobody wants to hear of it.
type End = Option<(LeaseRef, Outcome)>;

impl Loop {
    pub(crate) async fn run(self) {
        let mut runs: JoinSet<End> = JoinSet::new();
        let mut ends = Vec::new();
        loop {
            while let Some(end) = runs.try_join_next() {
                ends.extend(joined(end));
            }
            let free = self.options.concurrency.max(1).saturating_sub(runs.len());
            let stopping = self.stopping.is_cancelled() || self.engine.is_draining();
            if stopping && runs.is_empty() && ends.is_empty() {
                return;
            }
            if ends.is_empty() && (stopping || free == 0) {
                ends.extend(runs.join_next().await.and_then(joined));
                continue;
            }
            let max = if stopping { 0 } else { free };
            let answer = tokio::select! {
                answer = self.ask_beside(&mut runs, max, &ends) => answer,
                // With ends to report the answer comes at once.
                () = self.stopping.cancelled(), if ends.is_empty() => continue,
            };
            match answer {
                Ok(leases) => {
                    ends.clear();
                    for leased in leases {
                        self.start_run(&mut runs, leased);
                    }
                }
                Err(Some(error)) => {
                    tracing::warn!(%error, "a local worker could not reach the store");
                    if stopping {
                        return;
                    }
                    sleep(PAUSE).await;
                }
                Err(None) => {}
            }
        }
    }

    /// Asks for work, and records at once what ends meanwhile: the answer may take long, and giving up the question
    /// would give back what was just leased.
    async fn ask_beside(
        &self,
        runs: &mut JoinSet<End>,
        max: usize,
        ends: &[(LeaseRef, Outcome)],
    ) -> Result<Vec<Leased>, Option<StoreError>> {
        let mut ask = std::pin::pin!(self.ask(max, ends.to_vec()));
        loop {
            tokio::select! {
                answer = &mut ask => return answer,
                Some(end) = runs.join_next() => if let Some((lease, outcome)) = joined(end) {
                    self.told(&[self.engine.settle(lease, outcome).await.map_err(Some)?]);
                },
            }
        }
    }

    /// Reports ends and asks for work; an error of `None` is that there will be no more.
    async fn ask(&self, max: usize, finish: Vec<(LeaseRef, Outcome)>) -> Result<Vec<Leased>, Option<StoreError>> {
        let reports = !finish.is_empty();
        let request = LeaseRequest {
            worker: WorkerId { name: self.options.name.clone(), version: None, trouble: None },
            queues: self.options.queues.clone(),
            kinds: self.handlers.kinds(),
            patterns: self.handlers.patterns(),
            max,
            wait: WAIT_MILLIS,
            ttl: self.options.ttl,
            request_id: None,
            finish,
        };
        let answer = self.engine.lease(request).await.map_err(|error| match error {
            LeaseError::TooMany => Some(StoreError::Other(LeaseError::TooMany.to_string())),
            LeaseError::Store(error) => Some(error),
        })?;
        if answer.drain && !reports {
            return Err(None);
        }
        self.told(&answer.finished);
        Ok(answer.leases)
    }

    fn told(&self, finished: &[Finish]) {
        for finish in finished {
            if let Finish::LeaseLost(job) = finish {
                tracing::info!(job = %job.id, worker = %self.options.name, "the end of a run came too late");
            }
        }
    }

    fn start_run(&self, runs: &mut JoinSet<End>, leased: Leased) {
        match self.handlers.of(&leased.job.kind) {
            Some(handler) => {
                runs.spawn(local_run::run(self.engine.clone(), leased, handler, self.options.grace));
            }
            None => {
                let failure = Failure::of(FailureCode::Failed, "no function is registered for this kind");
                let outcome = Outcome::Fail { failure, retryable: false, retry_after: None };
                runs.spawn(std::future::ready(Some((leased.job.lease_ref(), outcome))));
            }
        }
    }
}

fn joined(end: Result<End, JoinError>) -> End {
    end.unwrap_or_else(|error| {
        // The function's own panics are caught where it runs; the lease of this run ends by itself.
        tracing::error!(%error, "a local run broke off");
        None
    })
}
