//! What a worker is made of.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Shared, Worker, board::Board, kinds::Kinds, trouble::Trouble};
use crate::{Client, Error, api::WorkerName, run::Runner};

/// Makes a [`Worker`].
#[must_use]
pub struct WorkerBuilder {
    client: Client,
    name: WorkerName,
    queues: Vec<String>,
    kinds: Kinds,
    concurrency: usize,
    ttl: Option<Duration>,
    grace: Option<Duration>,
    hurry: CancellationToken,
}

impl WorkerBuilder {
    pub(super) fn new(client: Client) -> Self {
        let name = WorkerName { name: format!("worker-{}", std::process::id()), version: None, trouble: None };
        Self {
            client,
            name,
            queues: Vec::new(),
            kinds: Kinds::default(),
            concurrency: 1,
            ttl: None,
            grace: None,
            hurry: CancellationToken::new(),
        }
    }

    /// What operators see it as; `worker-<pid>` if not said.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name.name = name.into();
        self
    }

    /// The version of the program, for operators.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.name.version = Some(version.into());
        self
    }

    /// Takes work from this queue, too; from all that the token may see when none is named.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queues.push(queue.into());
        self
    }

    /// Runs jobs of this kind with this runner; `*` in it stands for any run of characters (`shop.*`). A kind that is named
    /// goes before patterns, and the longest pattern that matches before others.
    pub fn kind(self, kind: impl Into<String>, runner: impl Runner) -> Self {
        self.shared_kind(kind, Arc::new(runner))
    }

    /// As [`WorkerBuilder::kind`], with a runner that serves several kinds.
    pub fn shared_kind(mut self, kind: impl Into<String>, runner: Arc<dyn Runner>) -> Self {
        self.kinds.insert(kind.into(), runner);
        self
    }

    /// Runs jobs of any kind that no other runner serves, in the queues that are named.
    pub fn any_kind(mut self, runner: Arc<dyn Runner>) -> Self {
        self.kinds.insert_any(runner);
        self
    }

    /// Runs so many jobs at once; 1 if not said.
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.concurrency = runs;
        self
    }

    /// A lease lasts so long without a heartbeat, 2 s to 24 h; the server's default if not said.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// When told to shut down, gives runs so long to end, then stops and releases them; without a limit if not said. Either
    /// way the server has half a minute after that to be told how they ended.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Once this is canceled, a worker that shuts down gives its runs no more of their grace.
    pub fn grace_ends_on(mut self, hurry: CancellationToken) -> Self {
        self.hurry = hurry;
        self
    }

    /// The worker.
    ///
    /// # Errors
    /// [`Error::Configuration`] without a kind or a slot.
    pub fn build(self) -> Result<Worker, Error> {
        if self.kinds.is_empty() {
            return Err(Error::Configuration("a worker needs at least one kind to serve".into()));
        }
        if self.concurrency == 0 || self.concurrency > Semaphore::MAX_PERMITS {
            return Err(Error::Configuration("a worker needs at least one slot".into()));
        }
        let (sender, ended) = mpsc::unbounded_channel();
        let shared = Shared {
            client: self.client,
            name: self.name,
            queues: self.queues,
            kinds: self.kinds,
            ttl: self.ttl,
            slots: Arc::new(Semaphore::new(self.concurrency)),
            board: Board::default(),
            trouble: Trouble::default(),
            runs: TaskTracker::new(),
            at_work: TaskTracker::new(),
            ended: sender,
            draining: CancellationToken::new(),
            gone: CancellationToken::new(),
            hurry: self.hurry,
        };
        Ok(Worker { shared: Arc::new(shared), grace: self.grace, ended })
    }
}
