//! What runs the jobs.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{Latest, Stop, Transport};

/// Runs what is leased.
pub trait Host: Send + Sync + 'static {
    /// How its server is reached.
    type Transport: Transport;
    /// One run.
    type Run: Run<Self::Transport>;

    /// The run of a lease, which has not begun yet; `None` where nothing here runs its kind, so that it is given back.
    fn begin(
        &self,
        lease: <Self::Transport as Transport>::Lease,
        controls: Controls<Self::Transport>,
    ) -> Option<Self::Run>;

    /// Whether a job could be run now, whatever the job.
    ///
    /// # Errors
    /// Why not, in words for operators.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// How long any of its runs may take to stop.
    fn stops_within(&self) -> Duration;
}

/// One run of a job, from its beginning until the server knows its end; dropped then.
pub trait Run<T: Transport>: Send + 'static {
    /// How it ended, in the words of its host.
    type Outcome: Send + Sync;

    /// Its job, for people, and to know it when it comes again.
    fn job(&self) -> String;

    /// Does the work. A panic is caught; after an order to stop it is dropped where it does not return in time.
    fn work(&mut self) -> impl Future<Output = Self::Outcome> + Send;

    /// How long it may take to return after it was told to stop.
    fn stops_within(&self) -> Duration;

    /// What counts as the outcome of work that is over like this.
    fn outcome(&self, over: Over<Self::Outcome>) -> Self::Outcome;

    /// Why the run says nothing about its job but that this worker cannot run it now.
    fn trouble(_: &Self::Outcome) -> Option<&str> {
        None
    }

    /// Sends the last of what it wrote beside its result.
    fn close(&mut self, _: &Self::Outcome) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// The end to hand in; not asked for when the lease is lost.
    fn end(&mut self, outcome: Self::Outcome) -> impl Future<Output = Ending<T::End>> + Send;
}

/// How the loop and a run reach each other.
pub struct Controls<T: Transport> {
    /// The order to stop.
    pub stop: Stop,
    /// How far it has come, for the next heartbeat.
    pub progress: Arc<Latest<T::Progress>>,
    /// The worker takes no more jobs.
    pub draining: CancellationToken,
}

/// How the work of a run came to its end.
pub enum Over<Outcome> {
    /// It returned.
    Returned(Outcome),
    /// It panicked, with these words.
    Panicked(String),
    /// It was told to stop, did not in time, and was dropped.
    Dropped,
}

/// What there is to hand in.
pub enum Ending<End> {
    /// This.
    HandIn {
        /// The end.
        end: End,
        /// Whether it went as far as its job let it, so that this worker can run jobs.
        went_well: bool,
    },
    /// Nothing more: the server has it. It went well.
    HandedIn,
    /// The worker could not run it, for this reason of its own: it is given back uncounted.
    Trouble(String),
}
