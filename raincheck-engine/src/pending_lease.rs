use std::pin::Pin;
use std::task::{Context, Poll};

use raincheck_core::{Command, LeaseRef, Outcome, Reply, Settle};
use raincheck_store::StoreError;

use crate::{Engine, replies};

type Applying = Pin<Box<dyn Future<Output = Result<Vec<Reply>, StoreError>> + Send>>;

/// Commands on their way to the store, one of them a lease. If whoever waits for the answer goes away, the
/// leases in it are given back at once instead of running out.
pub(crate) struct PendingLease {
    engine: Engine,
    applying: Option<Applying>,
    /// The caller will ask again under the same id and must find its leases.
    keep: bool,
}

impl PendingLease {
    pub(crate) fn new(engine: &Engine, commands: Vec<Command>, keep: bool) -> Self {
        let store = engine.store().clone();
        let applying: Applying = Box::pin(async move { store.apply(commands).await });
        PendingLease { engine: engine.clone(), applying: Some(applying), keep }
    }
}

impl Future for PendingLease {
    type Output = Result<Vec<Reply>, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(applying) = self.applying.as_mut() else { return Poll::Pending };
        let answer = std::task::ready!(applying.as_mut().poll(cx));
        self.applying = None;
        Poll::Ready(answer)
    }
}

impl Drop for PendingLease {
    fn drop(&mut self) {
        let Some(applying) = self.applying.take() else { return };
        if self.keep {
            return;
        }
        // Outside a runtime everything is being torn down, and the leases run out by themselves.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let engine = self.engine.clone();
        runtime.spawn(async move {
            match applying.await {
                Ok(replies) => give_back(&engine, replies).await,
                Err(error) => tracing::debug!(%error, "a lease failed after its caller had gone"),
            }
        });
    }
}

async fn give_back(engine: &Engine, replies: Vec<Reply>) {
    // The ends of runs on the same request stay as they are.
    let leased = replies.into_iter().filter_map(|reply| replies::lease(reply).ok());
    release(engine, leased.flatten().map(|(job, _)| job.lease_ref())).await;
}

/// Gives back work that nobody heard of.
pub(crate) async fn release(engine: &Engine, runs: impl Iterator<Item = LeaseRef>) {
    let release = |lease| Command::Settle(Settle { lease, outcome: Outcome::Release { delay: 0 } });
    let commands: Vec<_> = runs.map(release).collect();
    if commands.is_empty() {
        return;
    }
    if let Err(error) = engine.store().apply(commands).await {
        tracing::warn!(%error, "work leased for a caller that had gone stays leased until it runs out");
    }
}
