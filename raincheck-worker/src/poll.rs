//! Asks for work while there are free slots.

use std::{sync::Arc, time::Duration};

use rand::RngExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Ask, Backoff, Host, Transport as _, TransportError as _,
    shared::{EndOf, ErrorOf, LEASE_MAX, Shared},
    start::start,
};

/// How long the server may hold a request while there is nothing to do.
const WAIT: Duration = Duration::from_secs(20);
/// How long a worker that stops looks after the answer to its last request.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Takes work until the worker drains; an error only when the very first request is refused.
pub(crate) async fn poll<H: Host>(shared: &Arc<Shared<H>>) -> Result<(), ErrorOf<H>> {
    let (mut proven, mut backoff) = (false, Backoff::default());
    loop {
        let Some(mut slots) = free_slots(shared).await else { return Ok(()) };
        if !fit(shared).await {
            return Ok(());
        }
        slots.truncate(shared.room(slots.len()));
        if slots.is_empty() {
            continue;
        }
        let mut ask = shared.ask(slots.len());
        ask.wait = Some(WAIT);
        // Asked again with the same id until it is answered: an answer that got lost holds leases.
        loop {
            let answer = tokio::select! {
                answer = shared.transport.lease(&ask) => answer,
                () = shared.draining.cancelled() => {
                    give_back(shared, ask).await;
                    return Ok(());
                }
            };
            match answer {
                Ok(answer) => {
                    (proven, backoff) = (true, Backoff::default());
                    start(shared, answer.leases, slots);
                    if answer.drain {
                        elsewhere(shared).await;
                    }
                    break;
                }
                Err(error) if proven || error.is_transient() => {
                    tracing::warn!(%error, "cannot ask for work");
                    let pause = backoff.after(&error);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = shared.draining.cancelled() => {
                            give_back(shared, ask).await;
                            return Ok(());
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The server is about to stop: whoever answers in a moment is another one, or the next start of this one.
async fn elsewhere<H: Host>(shared: &Shared<H>) {
    let pause = Duration::from_millis(rand::rng().random_range(1_000..3_000));
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = shared.draining.cancelled() => {}
    }
}

/// Resolves when jobs can be run: no pause is on, and every runner says so. False when the worker drains.
async fn fit<H: Host>(shared: &Shared<H>) -> bool {
    loop {
        let report = async {
            if shared.trouble.must_report()
                && let Err(error) = shared.transport.lease(&shared.ask(0)).await
            {
                tracing::warn!(%error, "cannot tell the server why no work is taken");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = shared.trouble.paused() => {}
            () = report => {}
            () = shared.draining.cancelled() => return false,
        }
        if !shared.trouble.is_doubtful() {
            return true;
        }
        let ready = tokio::select! {
            ready = shared.host.ready() => ready,
            () = shared.draining.cancelled() => return false,
        };
        match ready {
            Ok(()) => {
                shared.trouble.found_ready();
                return true;
            }
            Err(what) => shared.trouble.met(&what),
        }
    }
}

/// At least one free slot, and all that there are; `None` when the worker drains.
async fn free_slots<H: Host>(shared: &Shared<H>) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        slot = shared.slots.clone().acquire_owned() => slot.ok()?,
        () = shared.draining.cancelled() => return None,
    };
    let mut slots = vec![first];
    while slots.len() < LEASE_MAX {
        match shared.slots.clone().try_acquire_owned() {
            Ok(slot) => slots.push(slot),
            Err(_) => break,
        }
    }
    Some(slots)
}

/// The question was on its way when the order to drain came: whatever it leased must not wait for its ttl, and then
/// count as lost.
async fn give_back<H: Host>(shared: &Arc<Shared<H>>, ask: Ask<EndOf<H>>) {
    if let Ok(leases) = tokio::time::timeout(LAST_ANSWER, shared.transport.leased_in_vain(ask)).await {
        start(shared, leases, Vec::new());
    }
}
