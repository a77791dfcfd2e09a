//! Heartbeats: one request for all that are due, and one that waits for news of a cancel.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{LEASE_MAX, Shared};
use crate::{Error, api::Heartbeat, backoff::Backoff};

/// Progress is sent at most five times a second.
const TICK: Duration = Duration::from_millis(200);
/// A heartbeat that takes longer is as good as lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the server may hold the request that waits for a cancel.
const WATCH: Duration = Duration::from_secs(20);
/// An answer that took so long was held; a server may hold it for less than asked.
const HELD: Duration = Duration::from_secs(1);
/// Runs shorter than this are not watched: the watch would start anew for each of them.
const WATCH_AGE: Duration = Duration::from_millis(500);

/// Keeps every running lease alive and brings its progress; never ends.
pub(super) async fn pulse(shared: &Shared) {
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

async fn send(shared: &Shared, due: &[Heartbeat]) -> Result<(), Error> {
    let answers = match shared.client.heartbeats(due, None).await {
        Err(error) if !error.is_transient() && due.iter().any(|beat| beat.progress.is_some()) => {
            // One bad report must not cost all the leases that it travels with.
            tracing::warn!(%error, "heartbeats were refused; again without progress");
            let bare: Vec<_> = due.iter().map(|beat| Heartbeat { progress: None, ..beat.clone() }).collect();
            shared.client.heartbeats(&bare, None).await?
        }
        other => other?,
    };
    shared.board.heard(&answers);
    Ok(())
}

/// Learns of a cancel at once, by a heartbeat that the server answers early; never ends.
pub(super) async fn watch(shared: &Shared) {
    let mut backoff = Backoff::default();
    loop {
        shared.board.occupied().await;
        let leases = shared.board.watchable(WATCH_AGE, LEASE_MAX);
        if leases.is_empty() {
            sleep(TICK).await;
            continue;
        }
        let heartbeats: Vec<_> =
            leases.iter().map(|lease| Heartbeat { lease: lease.clone(), ..Heartbeat::default() }).collect();
        let asked = Instant::now();
        tokio::select! {
            answer = shared.client.heartbeats(&heartbeats, Some(WATCH)) => match answer {
                Ok(answers) => {
                    let news = shared.board.heard(&answers);
                    // A server that does not hold the request must not be asked in a hot loop.
                    if news || asked.elapsed() >= HELD { backoff.reset() }
                    sleep(backoff.next()).await;
                }
                Err(error) => backoff.pause(&error).await,
            },
            // Others run by now that the request does not watch; dropping it costs one connection.
            () = grown(shared, &leases) => {}
        }
    }
}

/// Resolves when there is something to watch that is not among `leases`.
async fn grown(shared: &Shared, leases: &[String]) {
    loop {
        sleep(WATCH_AGE).await;
        if shared.board.watchable(WATCH_AGE, LEASE_MAX).iter().any(|lease| leases.binary_search(lease).is_err()) {
            return;
        }
    }
}
