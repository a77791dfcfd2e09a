//! The worker runtime: leases jobs, runs them, keeps their leases alive and delivers how they ended.
//!
//! Four loops share one `board` of running leases. *poll* asks for work with a long poll while there are free
//! slots. *settle* hands in what ended and takes new work for the freed slots in the same round trip. *pulse* sends
//! every heartbeat and learns of cancels and lost leases. *run* is one task a lease. A slot is a semaphore permit that
//! travels: from poll or settle to the run, and with its outcome back to settle, so it can neither leak nor double.
//!
//! What goes wrong on the worker's own side costs no job an attempt; see `trouble`.

mod board;
mod builder;
mod deliver;
mod kinds;
mod poll;
mod pulse;
mod run;
mod settle;
mod trouble;

pub use builder::WorkerBuilder;
use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Client, Error,
    api::{LeaseRequest, WireDuration, WorkerName},
    run::StopReason,
};

/// The most leases that one request may ask for.
const LEASE_MAX: usize = 1_000;

/// When nothing runs any more, a worker that shuts down waits so long for a server that is away.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// A worker, ready to run.
pub struct Worker {
    shared: Arc<Shared>,
    grace: Option<Duration>,
    ended: mpsc::UnboundedReceiver<settle::Ended>,
}

/// What the loops share.
struct Shared {
    client: Client,
    name: WorkerName,
    queues: Vec<String>,
    kinds: kinds::Kinds,
    ttl: Option<Duration>,
    slots: Arc<Semaphore>,
    board: board::Board,
    trouble: trouble::Trouble,
    runs: TaskTracker,
    /// Those whose runner has not returned.
    at_work: TaskTracker,
    ended: mpsc::UnboundedSender<settle::Ended>,
    /// No new work.
    draining: CancellationToken,
    /// The worker is gone: drop everything.
    gone: CancellationToken,
    /// No more grace.
    hurry: CancellationToken,
}

impl Worker {
    /// A worker for the server of `client`. It needs at least one kind.
    pub fn builder(client: Client) -> WorkerBuilder {
        WorkerBuilder::new(client)
    }
}

impl Worker {
    /// Works until `shutdown` is canceled, then takes no more, lets what runs end (up to the grace), delivers it and
    /// returns. Waits for a server that is away, half a minute when nothing runs any more. Dropping the future stops
    /// everything at once; its leases then expire.
    ///
    /// # Errors
    /// When the server refuses the very first request for work, by a wrong token for example; what it refuses later is
    /// tried again and logged. [`Error::Untold`] when the server was not there in the end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { shared, grace, ended } = self;
        let _gone = shared.gone.clone().drop_guard();
        // Shutting down does not drop a request for work on its way: `poll` sees `draining` and gives back what came.
        let order = async {
            shutdown.cancelled().await;
            shared.draining.cancel();
            std::future::pending::<()>().await;
        };
        let whole = async {
            let result = poll::poll(&shared).await;
            shared.draining.cancel();
            result.and(shared.drain(grace).await)
        };
        tokio::select! {
            result = whole => result,
            () = order => Ok(()),
            () = settle::settle(&shared, ended) => Ok(()),
            () = pulse::pulse(&shared) => Ok(()),
            () = pulse::watch(&shared) => Ok(()),
        }
    }
}

impl Shared {
    /// Lets what runs end, or stops it after the grace, and sees that the server is told.
    async fn drain(&self, grace: Option<Duration>) -> Result<(), Error> {
        self.runs.close();
        self.at_work.close();
        let stopper = async {
            let over = async {
                match grace {
                    Some(grace) => tokio::time::sleep(grace).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => {}
                () = self.hurry.cancelled() => {}
            }
            self.board.stop_all(StopReason::Drain);
            let stops = self.kinds.runners().map(|runner| runner.stops_within()).max().unwrap_or_default();
            tokio::time::sleep(stops).await;
        };
        tokio::select! {
            () = self.at_work.wait() => {}
            () = stopper => {}
        }
        match tokio::time::timeout(LAST_WORDS, self.runs.wait()).await {
            Ok(()) => Ok(()),
            Err(_) => {
                let untold = self.runs.len();
                tracing::error!(untold, "the server was not there to be told how runs ended; their leases will expire");
                Err(Error::Untold(untold))
            }
        }
    }

    /// For how many of so many free slots it takes jobs now.
    fn room(&self, slots: usize) -> usize {
        if self.draining.is_cancelled() { 0 } else { self.trouble.room(slots) }
    }

    /// A request for up to `max` jobs, under an id of its own.
    fn request(&self, max: usize) -> LeaseRequest {
        let trouble = if max == 0 { self.trouble.now() } else { None };
        LeaseRequest {
            worker: WorkerName { trouble, ..self.name.clone() },
            queues: self.queues.clone(),
            kinds: self.kinds.asked(&self.queues),
            max: u32::try_from(max).unwrap_or(u32::MAX),
            wait: None,
            ttl: self.ttl.map(WireDuration),
            request_id: Some(uuid::Uuid::now_v7().to_string()),
            finish: Vec::new(),
        }
    }
}
