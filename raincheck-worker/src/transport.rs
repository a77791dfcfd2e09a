//! The way to the server: within its process, or over HTTP.

use std::{fmt::Display, hash::Hash, time::Duration};

use uuid::Uuid;

/// What a worker says to a server, and hears from it.
pub trait Transport: Send + Sync + 'static {
    /// Work that the server hands out.
    type Lease: Send;
    /// What names the lease of a run.
    type Key: Clone + Ord + Hash + Send + Sync;
    /// How far a run has come.
    type Progress: Clone + Send + Sync;
    /// The end of a run, as it is handed in.
    type End: Send + Sync;
    /// Why there was no answer.
    type Error: TransportError;

    /// A run younger than this is not watched for a cancel, because the watch starts anew for each: cheap where the server is
    /// near.
    const WATCH_AGE: Duration;

    /// What names it.
    fn key(lease: &Self::Lease) -> Self::Key;

    /// How often it wants a heartbeat.
    fn beats_every(lease: &Self::Lease) -> Duration;

    /// The end of a run that is given back uncounted, not to be run again before so long from now.
    fn given_back(key: Self::Key, delay: Option<Duration>) -> Self::End;

    /// How much it adds to a request, in bytes.
    fn end_bytes(end: &Self::End) -> usize;

    /// How much it adds to a request, in bytes.
    fn progress_bytes(progress: &Self::Progress) -> usize;

    /// Asks for work, and hands in what ended. The very same question again is harmless, and is answered with the same
    /// leases where an answer can get lost.
    fn lease(&self, ask: &Ask<Self::End>) -> impl Future<Output = Result<Answer<Self>, Self::Error>> + Send;

    /// A question was dropped before its answer came: what it leased all the same, to be given back.
    fn leased_in_vain(&self, ask: Ask<Self::End>) -> impl Future<Output = Vec<Self::Lease>> + Send;

    /// Keeps leases alive. With a `wait` the answer comes at its end, or as soon as one of the runs is to stop.
    fn heartbeat(
        &self,
        beats: &[Beat<Self>],
        wait: Option<Duration>,
    ) -> impl Future<Output = Result<Vec<(Self::Key, Verdict)>, Self::Error>> + Send;

    /// Hands in one end by itself; tries until the server knows, or never will.
    fn settle(&self, end: Self::End) -> impl Future<Output = ()> + Send;
}

/// Why there was no answer.
pub trait TransportError: Display + Send {
    /// Whether the very same question may be answered later.
    fn is_transient(&self) -> bool;

    /// When the server says to come again.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// A question for work.
pub struct Ask<End> {
    /// Id of the request: asked again with it, the server answers with the same leases.
    pub id: Uuid,
    /// For so many jobs at most.
    pub max: usize,
    /// How long the server may take while there is none.
    pub wait: Option<Duration>,
    /// Why none can be taken now, in words for operators.
    pub trouble: Option<String>,
    /// Runs that ended since, reported with the same request.
    pub ends: Vec<End>,
}

/// What the server says to it.
pub struct Answer<T: Transport + ?Sized> {
    /// Jobs to run, at most as many as were asked for.
    pub leases: Vec<T::Lease>,
    /// Those of the ends that it did not take, and may take one by one.
    pub refused: Vec<T::End>,
    /// It is about to stop, and hands out no more work.
    pub drain: bool,
}

/// A sign of life of one run.
pub struct Beat<T: Transport + ?Sized> {
    /// The run, see [`Transport::key`].
    pub key: T::Key,
    /// How far it has come, where there is news.
    pub progress: Option<T::Progress>,
}

/// What the server says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    GoOn,
    /// Its job is canceled: it should stop.
    Cancel,
    /// Its lease is over: whatever it still does is in vain.
    Lost,
    /// Nothing: this heartbeat was refused.
    Refused,
}
