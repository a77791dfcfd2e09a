//! Workers in this process, whose jobs functions do. The loop is `raincheck-worker`'s, as of every other worker.

mod handlers;
mod run;
mod transport;

use std::time::Duration;

pub use handlers::{Handlers, Task};
use raincheck_core::{Millis, Name, limits};
use raincheck_worker::{Options, Worker};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::run::Functions;
use self::transport::InProcess;
use crate::{Engine, WorkerId};

/// How a [`LocalWorker`] works.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Its name, for people; the store's mark of its own workers follows it, where it has one.
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
        // While the engine drains, its workers do.
        let stopping = engine.draining().child_token();
        // What it runs dies with the store's only process, whose next start need not wait for the leases.
        let name = format!("{}{}", options.name, engine.store().own_workers().unwrap_or_default()).into();
        let transport = InProcess {
            engine: engine.clone(),
            worker: WorkerId { name, version: None, trouble: None },
            queues: options.queues,
            kinds: handlers.kinds(),
            patterns: handlers.patterns(),
            ttl: options.ttl,
        };
        let grace = Duration::from_millis(options.grace.max(0) as u64);
        let functions = Functions { engine: engine.clone(), handlers, grace };
        let concurrency = options.concurrency.max(1);
        let options = Options { concurrency, grace: None, hurry: CancellationToken::new() };
        let worked = Worker::new(transport, functions, options).run(stopping.clone());
        let task = tokio::spawn(async move {
            match worked.await {
                Ok(()) => {}
                Err(raincheck_worker::Error::Refused(error)) => tracing::error!(%error, "a local worker got no work"),
                Err(raincheck_worker::Error::Untold(runs)) => {
                    tracing::error!(runs, "the store did not take how the last runs of a local worker ended");
                }
            }
        });
        LocalWorker { stopping, task }
    }

    /// Takes no more work, and resolves when what runs has ended and is recorded.
    pub async fn stop(self) {
        self.stopping.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a local worker ended by a panic");
        }
    }
}
