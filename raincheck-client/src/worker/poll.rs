//! Asks for work while there are free slots.

use std::{sync::Arc, time::Duration};

use rand::RngExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::{LEASE_MAX, Shared, run};
use crate::{
    Error,
    api::{Lease, LeaseRequest, WireDuration},
    backoff::Backoff,
    run::Runner,
};

/// How long the server may hold a request while there is nothing to do.
const WAIT: Duration = Duration::from_secs(20);
/// How long a worker that stops looks after the answer to its last request.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Takes work until the worker drains; an error only when the very first request is refused.
pub(super) async fn poll(shared: &Arc<Shared>) -> Result<(), Error> {
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
        let mut request = shared.request(slots.len());
        request.wait = Some(WireDuration(WAIT));
        // Asked again with the same id until it is answered: an answer that got lost holds leases.
        loop {
            let answer = tokio::select! {
                answer = shared.client.lease(&request) => answer,
                () = shared.draining.cancelled() => {
                    give_back(shared, request).await;
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
                            give_back(shared, request).await;
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
async fn elsewhere(shared: &Shared) {
    let pause = Duration::from_millis(rand::rng().random_range(1_000..3_000));
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = shared.draining.cancelled() => {}
    }
}

/// Resolves when jobs can be run: no pause is on, and every runner says so. False when the worker drains.
async fn fit(shared: &Shared) -> bool {
    loop {
        let told = async {
            if shared.trouble.must_tell()
                && let Err(error) = shared.client.lease(&shared.request(0)).await
            {
                tracing::warn!(%error, "cannot tell the server why no work is taken");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = shared.trouble.paused() => {}
            () = told => {}
            () = shared.draining.cancelled() => return false,
        }
        if !shared.trouble.is_doubtful() {
            return true;
        }
        let looked = tokio::select! {
            looked = ready(shared) => looked,
            () = shared.draining.cancelled() => return false,
        };
        match looked {
            Ok(()) => {
                shared.trouble.looked();
                return true;
            }
            Err(error) => shared.trouble.met(&error.in_full()),
        }
    }
}

/// Asks each runner, once where it serves several kinds.
async fn ready(shared: &Shared) -> Result<(), Error> {
    let mut asked: Vec<&Arc<dyn Runner>> = Vec::new();
    for runner in shared.kinds.runners() {
        if !asked.iter().any(|one| Arc::ptr_eq(one, runner)) {
            runner.ready().await?;
            asked.push(runner);
        }
    }
    Ok(())
}

/// At least one free slot, and all that there are; `None` when the worker drains.
async fn free_slots(shared: &Shared) -> Option<Vec<OwnedSemaphorePermit>> {
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

/// Starts each lease in a slot; slots that are left over become free. While draining, or while nothing can be run, leases
/// are given back instead.
pub(super) fn start(shared: &Arc<Shared>, leases: Vec<Lease>, slots: Vec<OwnedSemaphorePermit>) {
    let mut slots = slots.into_iter();
    for lease in leases {
        // A server that hands out more than was asked for gets the rest back.
        match slots.next().filter(|_| shared.room(1) > 0) {
            Some(slot) => shared.runs.spawn(run::run(shared.clone(), lease, slot)),
            None => shared.runs.spawn(run::give_back(shared.clone(), lease)),
        };
    }
}

/// The request was on its way when the order to drain came: whatever it leased must not wait for its ttl, and then
/// count as lost. The same id returns what it was given; if it was given nothing, that may be one new lease, which is
/// given back like the rest.
async fn give_back(shared: &Arc<Shared>, request: LeaseRequest) {
    let again = LeaseRequest { max: 1, wait: None, ..request };
    if let Ok(Ok(answer)) = tokio::time::timeout(LAST_ANSWER, shared.client.lease(&again)).await {
        start(shared, answer.leases, Vec::new());
    }
}
