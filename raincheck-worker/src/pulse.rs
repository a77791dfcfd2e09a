//! Heartbeats: one request for all that are due, and one that waits for news of a cancel.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::{
    Backoff, Beat, Host, Transport, TransportError as _,
    shared::{ErrorOf, LEASE_MAX, Shared},
};

/// Progress is sent at most five times a second.
const TICK: Duration = Duration::from_millis(200);
/// A heartbeat that takes longer is as good as lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the server may hold the request that waits for a cancel.
const WATCH: Duration = Duration::from_secs(20);
/// An answer that took so long was held; a server may hold it for less than asked.
const HELD: Duration = Duration::from_secs(1);

/// Keeps every running lease alive and brings its progress; never ends.
pub(crate) async fn pulse<H: Host>(shared: &Shared<H>) {
    let mut backoff = Backoff::default();
    loop {
        shared.board.occupied().await;
        sleep(TICK).await;
        let due = shared.board.due(LEASE_MAX);
        if due.is_empty() {
            continue;
        }
        match timeout(ANSWER_WITHIN, send(shared, &due)).await {
            Ok(Ok(())) => backoff.reset(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "heartbeats did not arrive");
                shared.board.unsent(due);
                backoff.pause(&error).await;
            }
            Err(_) => {
                tracing::warn!("heartbeats were not answered");
                shared.board.unsent(due);
            }
        }
    }
}

async fn send<H: Host>(shared: &Shared<H>, due: &[Beat<H::Transport>]) -> Result<(), ErrorOf<H>> {
    let answers = match shared.transport.heartbeat(due, None).await {
        Err(error) if !error.is_transient() && due.iter().any(|beat| beat.progress.is_some()) => {
            // One bad report must not cost all the leases that it travels with.
            tracing::warn!(%error, "heartbeats were refused; again without progress");
            let bare: Vec<_> = due.iter().map(|beat| Beat { key: beat.key.clone(), progress: None }).collect();
            shared.transport.heartbeat(&bare, None).await?
        }
        other => other?,
    };
    shared.board.heard(&answers);
    Ok(())
}

/// Learns of a cancel at once, by a heartbeat that the server answers early; never ends.
pub(crate) async fn watch<H: Host>(shared: &Shared<H>) {
    let mut backoff = Backoff::default();
    loop {
        shared.board.occupied().await;
        let keys = shared.board.watchable(H::Transport::WATCH_AGE, LEASE_MAX);
        if keys.is_empty() {
            sleep(TICK.min(H::Transport::WATCH_AGE)).await;
            continue;
        }
        let beats: Vec<_> = keys.iter().map(|key| Beat { key: key.clone(), progress: None }).collect();
        let asked = Instant::now();
        tokio::select! {
            answer = shared.transport.heartbeat(&beats, Some(WATCH)) => match answer {
                Ok(answers) => {
                    let news = shared.board.heard(&answers);
                    // A server that does not hold the request must not be asked in a hot loop.
                    if news || asked.elapsed() >= HELD { backoff.reset() }
                    sleep(backoff.next_pause()).await;
                }
                Err(error) => backoff.pause(&error).await,
            },
            // Others run by now that the request does not watch; dropping it costs one connection.
            () = grown(shared, &keys) => {}
        }
    }
}

/// Resolves when there is something to watch that is not among `keys`.
async fn grown<H: Host>(shared: &Shared<H>, keys: &[<H::Transport as Transport>::Key]) {
    loop {
        sleep(H::Transport::WATCH_AGE).await;
        if shared.board.watchable(H::Transport::WATCH_AGE, LEASE_MAX).iter().any(|key| keys.binary_search(key).is_err())
        {
            return;
        }
    }
}
