//! Hands in what ended, many at a time, and takes work for the freed slots in the same round trip.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{Shared, deliver, poll};
use crate::{
    api::{Finish, FinishAction, Finished},
    backoff::Backoff,
};

/// So many ends in one request at most.
const BATCH_MAX: usize = 256;
/// Their results may be so large together, well below the server's limit for JSON; in bytes.
const BATCH_BYTES: usize = 512 * 1024;

/// A run that ended, on its way to the server.
pub(super) struct Ended {
    pub(super) finish: Finish,
    /// The slot that it frees.
    pub(super) slot: OwnedSemaphorePermit,
    /// Told when the server knows.
    pub(super) settled: oneshot::Sender<()>,
}

impl Ended {
    fn bytes(&self) -> usize {
        match &self.finish.action {
            FinishAction::Complete { result: Some(result) } => result.get().len(),
            FinishAction::Fail(failure) => failure.error.detail.as_ref().map_or(0, String::len),
            _ => 0,
        }
    }
}

/// Delivers until dropped. While one request is on its way the next batch gathers, so load makes batches.
pub(super) async fn settle(shared: &Arc<Shared>, mut ended: mpsc::UnboundedReceiver<Ended>) {
    let mut left_over = None;
    loop {
        let Some(first) = (match left_over.take() {
            Some(ended) => Some(ended),
            None => ended.recv().await,
        }) else {
            return;
        };
        let (mut bytes, mut batch) = (first.bytes(), vec![first]);
        while batch.len() < BATCH_MAX {
            let Ok(next) = ended.try_recv() else { break };
            if bytes + next.bytes() > BATCH_BYTES {
                left_over = Some(next);
                break;
            }
            bytes += next.bytes();
            batch.push(next);
        }
        deliver_batch(shared, batch).await;
    }
}

async fn deliver_batch(shared: &Arc<Shared>, batch: Vec<Ended>) {
    let (mut finishes, mut slots, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for Ended { finish, slot, settled } in batch {
        finishes.push(finish);
        slots.push(slot);
        told.push(settled);
    }
    let mut request = shared.request(shared.room(slots.len()));
    request.finish = finishes;
    let mut backoff = Backoff::default();
    // The very same request until it is answered: its id and its ends make repeating it harmless.
    let answer = loop {
        match shared.client.lease(&request).await {
            Ok(answer) => break Some(answer),
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, ended = request.finish.len(), "cannot hand in what ended; trying on");
                backoff.pause(&error).await;
            }
            Err(error) => {
                tracing::warn!(%error, "handing in together was refused; one by one");
                break None;
            }
        }
    };
    match answer {
        Some(answer) => {
            let refused: Vec<Finish> = request
                .finish
                .into_iter()
                .filter(|finish| answer.finished.iter().any(|one| one.lease == finish.lease && !is_over(one)))
                .collect();
            poll::start(shared, answer.leases, slots);
            for finish in refused {
                deliver::deliver(&shared.client, finish).await;
            }
        }
        None => {
            for finish in request.finish {
                deliver::deliver(&shared.client, finish).await;
            }
        }
    }
    for told in told {
        // The run itself may have been dropped with the worker.
        let _ = told.send(());
    }
}

/// Whether nothing more is to be done about it: it was taken, or the lease is over.
fn is_over(finished: &Finished) -> bool {
    match &finished.problem {
        None => true,
        Some(problem) if matches!(problem.slug(), "lease-lost" | "not-found") => {
            tracing::warn!("a run ended after its lease was lost; its outcome is dropped");
            true
        }
        Some(_) => false,
    }
}
