use std::time::Duration;

use raincheck_core::{Failure, FailureCode, LeaseRef, Millis, Name, Outcome, limits};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{Engine, Finish, Handlers, LeaseRequest, Leased, WorkerId, local_run};

/// How long an idle worker waits for work before it asks anew, milliseconds.
const WAIT_MILLIS: Millis = 30_000;
/// Pause after the engine failed to answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How a [`LocalWorker`] works.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Its name, for people.
    pub name: Box<str>,
    /// Which queues it serves; empty is all.
    pub queues: Vec<Name>,
    /// Most jobs at once; at least 1.
    pub concurrency: usize,
    /// Length of its leases, milliseconds.
    pub ttl: Millis,
    /// How long a job that was asked to stop may go on before it is dropped, milliseconds.
    pub grace: Millis,
}

impl Default for LocalOptions {
    fn default() -> Self {
        let name = format!("local-{}", std::process::id()).into();
        LocalOptions { name, queues: Vec::new(), concurrency: 4, ttl: limits::TTL_MILLIS, grace: 10_000 }
    }
}

/// A worker in this process: tasks of its runtime instead of processes. It speaks the same words as any other
/// worker: lease, heartbeat, settle.
pub struct LocalWorker {
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl LocalWorker {
    /// Starts working on what `handlers` serve.
    pub fn start(engine: &Engine, handlers: Handlers, options: LocalOptions) -> LocalWorker {
        let stopping = CancellationToken::new();
        let worker = Loop { engine: engine.clone(), handlers, options, stopping: stopping.clone() };
        LocalWorker { stopping, task: tokio::spawn(worker.run()) }
    }

    /// Takes no more work, and resolves when what runs has ended and is recorded.
    pub async fn stop(self) {
        self.stopping.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a local worker ended by a panic");
        }
    }
}

struct Loop {
    engine: Engine,
    handlers: Handlers,
    options: LocalOptions,
    stopping: CancellationToken,
}

/// An end to report; `None` when the run was lost and nobody wants to hear of it.
type End = Option<(LeaseRef, Outcome)>;

impl Loop {
    async fn run(self) {
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
            // With ends the answer comes at once; without, anything that ends meanwhile must not wait for it.
            let answer = tokio::select! {
                answer = self.ask(max, ends.clone()) => answer,
                Some(end) = runs.join_next(), if ends.is_empty() => { ends.extend(joined(end)); continue }
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

    /// Reports ends and asks for work; an error of `None` is that there will be no more.
    async fn ask(
        &self,
        max: usize,
        finish: Vec<(LeaseRef, Outcome)>,
    ) -> Result<Vec<Leased>, Option<raincheck_store::StoreError>> {
        let request = LeaseRequest {
            worker: WorkerId { name: self.options.name.clone(), version: None },
            queues: self.options.queues.clone(),
            kinds: self.handlers.kinds(),
            max,
            wait: WAIT_MILLIS,
            ttl: self.options.ttl,
            request_id: None,
            finish,
        };
        let answer = self.engine.lease(request).await.map_err(|error| match error {
            crate::LeaseError::Draining => None,
            crate::LeaseError::Store(error) => Some(error),
        })?;
        for finish in &answer.finished {
            if let Finish::LeaseLost(job) = finish {
                tracing::info!(job = %job.id, "the end of a run came too late");
            }
        }
        Ok(answer.leases)
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

fn joined(end: Result<End, tokio::task::JoinError>) -> End {
    end.unwrap_or_else(|error| {
        // The function's own panics are caught where it runs; the lease of this run ends by itself.
        tracing::error!(%error, "a local run broke off");
        None
    })
}
