use raincheck_core::{Millis, Name, limits};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::local_loop::Loop;
use crate::{Engine, Handlers};

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
        let stopping = CancellationToken::new();
        // What it runs dies with the store's only process, whose next start need not wait for the leases.
        let name = format!("{}{}", options.name, engine.store().own_workers().unwrap_or_default()).into();
        let options = LocalOptions { name, ..options };
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
