//! A worker, and how it is set up.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Host, StopReason,
    board::Board,
    poll, pulse, settle,
    shared::{EndOf, Ended, ErrorOf, Shared},
    trouble::Trouble,
};

/// When nothing runs any more, a worker that shuts down waits so long for a server that is away.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// A worker, ready to run.
pub struct Worker<H: Host> {
    shared: Arc<Shared<H>>,
    grace: Option<Duration>,
    ended: mpsc::UnboundedReceiver<Ended<EndOf<H>>>,
}

/// How it works.
pub struct Options {
    /// Runs so many jobs at once; at least 1, at most [`Options::CONCURRENCY_MAX`].
    pub concurrency: usize,
    /// When told to shut down, gives runs so long to end, then stops them; without a limit if `None`.
    pub grace: Option<Duration>,
    /// Once this is canceled, a worker that shuts down gives its runs no more of their grace.
    pub hurry: CancellationToken,
}

impl Options {
    /// The most jobs at once.
    pub const CONCURRENCY_MAX: usize = Semaphore::MAX_PERMITS;
}

/// Why a worker ended.
#[derive(Debug)]
pub enum Error<E> {
    /// The server refuses to hand out work.
    Refused(E),
    /// It was told to stop, and the server could not be told how so many runs ended.
    Untold(usize),
}

impl<H: Host> Worker<H> {
    /// One whose runs are `host`'s.
    pub fn new(transport: H::Transport, host: H, options: Options) -> Self {
        let (sender, ended) = mpsc::unbounded_channel();
        let shared = Shared {
            transport,
            host,
            slots: Arc::new(Semaphore::new(options.concurrency.clamp(1, Options::CONCURRENCY_MAX))),
            board: Board::default(),
            trouble: Trouble::default(),
            runs: TaskTracker::new(),
            at_work: TaskTracker::new(),
            ended: sender,
            draining: CancellationToken::new(),
            gone: CancellationToken::new(),
            hurry: options.hurry,
        };
        Self { shared: Arc::new(shared), grace: options.grace, ended }
    }

    /// Works until `shutdown` is canceled, then takes no more, lets what runs end (up to the grace), delivers it and
    /// returns. Waits for a server that is away, half a minute when nothing runs any more. Dropping the future stops
    /// everything at once; its leases then expire.
    ///
    /// # Errors
    /// When the server refuses the very first request for work; what it refuses later is tried again and logged. When it was
    /// not there in the end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error<ErrorOf<H>>> {
        let Self { shared, grace, ended } = self;
        let _gone = shared.gone.clone().drop_guard();
        // Shutting down does not drop a request for work on its way: `poll` sees `draining` and gives back what came.
        let order = async {
            shutdown.cancelled().await;
            shared.draining.cancel();
            std::future::pending::<()>().await;
        };
        let whole = async {
            let result = poll::poll(&shared).await.map_err(Error::Refused);
            shared.draining.cancel();
            result.and(drain(&shared, grace).await)
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

/// Lets what runs end, or stops it after the grace, and sees that the server is told.
async fn drain<H: Host>(shared: &Shared<H>, grace: Option<Duration>) -> Result<(), Error<ErrorOf<H>>> {
    shared.runs.close();
    shared.at_work.close();
    let stopper = async {
        let over = async {
            match grace {
                Some(grace) => tokio::time::sleep(grace).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            () = shared.hurry.cancelled() => {}
        }
        shared.board.stop_all(StopReason::Drain);
        tokio::time::sleep(shared.host.stops_within()).await;
    };
    tokio::select! {
        () = shared.at_work.wait() => {}
        () = stopper => {}
    }
    match tokio::time::timeout(LAST_WORDS, shared.runs.wait()).await {
        Ok(()) => Ok(()),
        Err(_) => {
            let untold = shared.runs.len();
            tracing::error!(untold, "the server was not there to be told how runs ended; their leases will expire");
            Err(Error::Untold(untold))
        }
    }
}
