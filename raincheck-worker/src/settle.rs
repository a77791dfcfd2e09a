//! Hands in what ended, many at a time, and takes work for the freed slots in the same round trip.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    Backoff, Host, Transport, TransportError as _,
    shared::{EndOf, Ended, Shared},
    start::start,
};

/// So many ends in one request at most.
const BATCH_MAX: usize = 256;
/// Their results may be so large together, well below the server's limit for JSON; in bytes.
const BATCH_BYTES: usize = 512 * 1024;

/// Delivers until dropped. While one request is on its way the next batch gathers, so load makes batches.
pub(crate) async fn settle<H: Host>(shared: &Arc<Shared<H>>, mut ended: mpsc::UnboundedReceiver<Ended<EndOf<H>>>) {
    let size = |ended: &Ended<EndOf<H>>| H::Transport::end_bytes(&ended.end);
    let mut left_over = None;
    loop {
        let Some(first) = (match left_over.take() {
            Some(ended) => Some(ended),
            None => ended.recv().await,
        }) else {
            return;
        };
        let (mut bytes, mut batch) = (size(&first), vec![first]);
        while batch.len() < BATCH_MAX {
            let Ok(next) = ended.try_recv() else { break };
            if bytes + size(&next) > BATCH_BYTES {
                left_over = Some(next);
                break;
            }
            bytes += size(&next);
            batch.push(next);
        }
        deliver_batch(shared, batch).await;
    }
}

async fn deliver_batch<H: Host>(shared: &Arc<Shared<H>>, batch: Vec<Ended<EndOf<H>>>) {
    let (mut ends, mut slots, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for Ended { end, slot, settled } in batch {
        ends.push(end);
        slots.push(slot);
        waiting.push(settled);
    }
    let mut ask = shared.ask(shared.room(slots.len()));
    ask.ends = ends;
    let mut backoff = Backoff::default();
    // The very same request until it is answered: its id and its ends make repeating it harmless.
    let refused = loop {
        match shared.transport.lease(&ask).await {
            Ok(answer) => {
                start(shared, answer.leases, slots);
                break answer.refused;
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, ended = ask.ends.len(), "cannot hand in what ended; trying on");
                backoff.pause(&error).await;
            }
            Err(error) => {
                tracing::warn!(%error, "handing in together was refused; one by one");
                break ask.ends;
            }
        }
    };
    for end in refused {
        shared.transport.settle(end).await;
    }
    for settled in waiting {
        // The run itself may have been dropped with the worker.
        let _ = settled.send(());
    }
}
