//! The engine itself: what all use cases share.

use std::sync::Arc;

use parking_lot::RwLock;
use raincheck_core::{Clock, Command, Defaults, Payload, Reply, Timestamp, limits};
use raincheck_store::{Blobs, Store, StoreError, Unclaimed};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatch::Dispatch;
use crate::hub::Hub;
use crate::kind_counters::CountedKinds;
use crate::progress::Reports;
use crate::results::Results;
use crate::secret::Keys;
use crate::stats::Stats;
use crate::workers::Workers;
use crate::{Counters, Settings};

/// Everything that can be done with jobs, over one store. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    /// What requests leave out.
    defaults: RwLock<Arc<Defaults>>,
    pub(crate) keys: Keys,
    pub(crate) hub: Arc<Hub>,
    pub(crate) results: Results,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) reports: Reports,
    /// Places for runs whose heartbeats wait.
    pub(crate) beats: Semaphore,
    /// Places for watches that read what they have missed.
    pub(crate) catching_up: Semaphore,
    pub(crate) workers: Workers,
    pub(crate) stats: Stats,
    /// Something may be due sooner than the maintenance knew.
    pub(crate) due_sooner: Notify,
    pub(crate) counters: Counters,
    pub(crate) by_kind: CountedKinds,
    /// Ends waits, watches and new work.
    pub(crate) draining: CancellationToken,
    /// Something happened while draining.
    pub(crate) drained: Notify,
    /// Ends the loops.
    pub(crate) stopped: CancellationToken,
    /// What the engine runs besides: its loops, and what is seen through.
    pub(crate) tasks: TaskTracker,
}

impl Engine {
    /// Over a store that is open, with no loop yet.
    pub(crate) fn over(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: Settings) -> Result<Engine, StoreError> {
        let keys = Keys::derive(&store.secret())?;
        Ok(Engine(Arc::new(Inner {
            store,
            clock,
            settings,
            defaults: RwLock::default(),
            keys,
            hub: Arc::new(Hub::default()),
            results: Results::default(),
            dispatch: Arc::new(Dispatch::default()),
            reports: Reports::default(),
            beats: Semaphore::new(limits::WAITING_BEATS),
            catching_up: Semaphore::new(limits::CATCHING_UP),
            workers: Workers::default(),
            stats: Stats::default(),
            due_sooner: Notify::new(),
            counters: Counters::default(),
            by_kind: CountedKinds::default(),
            draining: CancellationToken::new(),
            drained: Notify::new(),
            stopped: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })))
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Whether the store takes writes now.
    pub fn health(&self) -> Result<(), StoreError> {
        self.0.store.health()
    }

    /// The large payloads.
    pub fn blobs(&self) -> &Blobs {
        self.0.store.blobs()
    }

    /// The store below, for those who set it up; what can be done with jobs is here.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// What the operator set.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What requests for jobs leave out, as it is now.
    pub fn defaults(&self) -> Arc<Defaults> {
        self.0.defaults.read().clone()
    }

    /// Sets it for whoever asks from now on.
    pub fn set_defaults(&self, defaults: Defaults) {
        let mut counting = self.0.by_kind.lock();
        defaults.kinds.keys().for_each(|kind| counting.know(kind));
        drop(counting);
        *self.0.defaults.write() = Arc::new(defaults);
    }

    /// Begins draining: submits and leases are refused, watches and waits end; runs may still be settled. Again is
    /// fine.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Whether draining has begun.
    pub fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    /// Resolves when what the workers run now that this process heard of lately is over: for after [`Engine::drain`], while
    /// it is worth while to hear how runs end.
    pub async fn runs_over(&self) {
        self.0.workers.hold(self.0.clock.ticks());
        while self.0.workers.hold_something() {
            self.0.drained.notified().await;
        }
    }

    /// Resolves when draining begins, for streams to select on.
    pub fn draining(&self) -> CancellationToken {
        self.0.draining.clone()
    }

    /// Carries out one command.
    pub(crate) async fn one(&self, command: Command) -> Result<Reply, StoreError> {
        let mut replies = self.0.store.apply(vec![command]).await?;
        replies.pop().ok_or_else(|| StoreError::Other("a command was not answered".to_owned()))
    }

    /// A loop goes on after an error, but not silently.
    pub(crate) fn loop_failed(&self, doing: &str, error: &StoreError) {
        self.0.counters.loop_errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tracing::warn!(%error, doing, "a background task failed and will try again");
    }

    /// Does to its end what must not be left halfway, whether anybody still waits for it or not.
    pub(crate) async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.0.tasks.spawn(work).await;
        done.map_err(|error| StoreError::Unknown(format!("what was to be seen through ended early: {error}")))
    }

    /// The file behind a payload, which is removed unless it is claimed.
    pub(crate) fn own(&self, payload: &Payload) -> Option<Unclaimed> {
        match payload {
            Payload::Blob { name, .. } => Some(self.0.store.blobs().unclaimed(name.clone())),
            Payload::Empty | Payload::Inline(_) => None,
        }
    }

    /// Removes files that turned out not to be needed.
    pub(crate) async fn remove_unclaimed(&self, files: impl Iterator<Item = Unclaimed>) {
        self.remove_files(files.map(Unclaimed::claim).collect()).await;
    }

    /// Removes files nobody refers to any more. One that cannot be removed is logged, and found again by the search for
    /// orphans.
    pub(crate) async fn remove_files(&self, names: Vec<Box<str>>) {
        if names.is_empty() {
            return;
        }
        if let Err(error) = self.0.store.blobs().remove(names).await {
            tracing::warn!(%error, "unused files stay for now");
        }
    }
}
