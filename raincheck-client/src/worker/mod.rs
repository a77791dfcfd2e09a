//! The worker runtime: takes jobs over HTTP and runs each with the runner of its kind. The loop is `raincheck-worker`'s.

mod deliver;
mod http;
mod kinds;
mod run;

use std::{sync::Arc, time::Duration};

use raincheck_worker::Options;
use tokio_util::sync::CancellationToken;

use self::{http::Http, kinds::Kinds, run::Runners};
use crate::{Client, Error, api::WorkerName, run::Runner};

/// A worker, ready to run.
pub struct Worker(raincheck_worker::Worker<Runners>);

impl Worker {
    /// A worker for the server of `client`. It needs at least one kind.
    pub fn builder(client: Client) -> WorkerBuilder {
        WorkerBuilder::new(client)
    }

    /// Works until `shutdown` is canceled, then takes no more, lets what runs end (up to the grace), delivers it and
    /// returns. Waits for a server that is away, half a minute when nothing runs any more. Dropping the future stops
    /// everything at once; its leases then expire.
    ///
    /// # Errors
    /// When the server refuses the very first request for work, by a wrong token for example; what it refuses later is
    /// tried again and logged. [`Error::Untold`] when the server was not there in the end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        self.0.run(shutdown).await.map_err(|error| match error {
            raincheck_worker::Error::Refused(error) => error,
            raincheck_worker::Error::Untold(runs) => Error::Untold(runs),
        })
    }
}

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
    fn new(client: Client) -> Self {
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
        if self.concurrency == 0 || self.concurrency > Options::CONCURRENCY_MAX {
            return Err(Error::Configuration("a worker needs at least one slot".into()));
        }
        let Self { client, name, queues, kinds, concurrency, ttl, grace, hurry } = self;
        let asked = kinds.asked(&queues);
        let transport = Http { client: client.clone(), name, queues, kinds: asked, ttl };
        let options = Options { concurrency, grace, hurry };
        Ok(Worker(raincheck_worker::Worker::new(transport, Runners { client, kinds }, options)))
    }
}
