//! One lease from its start to the delivery of its outcome.

use std::{io::ErrorKind, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Shared, deliver, settle::Ended};
use crate::{
    Error,
    api::{Finish, FinishAction, Heartbeat, Lease, WireDuration},
    client::ResultBody,
    run::{Delivery, Outcome, Runner, Stop, StopReason, Task, TaskParts},
};

/// A JSON result up to this size rides along with others; in bytes.
const INLINE_MAX: usize = 64 * 1024;

/// Runs a lease in a slot.
pub(super) fn run(shared: Arc<Shared>, lease: Lease, slot: OwnedSemaphorePermit) -> impl Future<Output = ()> {
    // From now on, and not only when it is looked at first.
    let (gone, at_work) = (shared.gone.clone(), shared.at_work.token());
    async move {
        tokio::select! {
            () = gone.cancelled() => {}
            () = run_whole(shared, lease, slot, at_work) => {}
        }
    }
}

async fn run_whole(shared: Arc<Shared>, lease: Lease, slot: OwnedSemaphorePermit, at_work: TaskTrackerToken) {
    let Some(runner) = shared.kinds.runner(&lease.job.kind).cloned() else {
        tracing::error!(kind = lease.job.kind, "leased a kind that was not asked for");
        return give_back(shared, lease).await;
    };
    let (stop, delivery, begun) = (Stop::default(), Arc::new(Delivery::default()), Instant::now());
    let _listed = Listed::new(&shared, &lease, &stop, &delivery);
    let draining = shared.draining.clone();
    let parts = Arc::new(TaskParts::new(shared.client.clone(), lease, stop.clone(), delivery, draining));
    let outcome = match supervised(&*runner, Task::new(parts.clone()), &stop).await {
        Outcome::Fail(failure) => parts.without_input().unwrap_or(Outcome::Fail(failure)),
        other => other,
    };
    // What is left is to tell the server.
    drop(at_work);
    if let Outcome::Trouble(what) = &outcome {
        shared.trouble.met(what);
        Task::new(parts.clone()).log(&format!("raincheck: given back, as this worker cannot run it: {what}"));
    }
    parts.close().await;
    // Asked only now: closing is long enough to lose a lease.
    if stop.reason() != Some(StopReason::Lost) {
        last_progress(&shared, &parts).await;
        let outcome = match outcome {
            given_back @ (Outcome::Release(_) | Outcome::Trouble(_)) => given_back,
            ended => parts.stream_failure().unwrap_or(ended),
        };
        deliver(&shared, &*runner, &parts.lease, outcome, slot, begun).await;
    } else {
        tracing::warn!(
            job = parts.lease.job.id,
            attempt = parts.lease.attempt,
            "the lease was lost; the run was stopped"
        );
    }
    parts.delivered();
}

/// Runs it, and drops it when it does not stop in time.
async fn supervised(runner: &dyn Runner, task: Task, stop: &Stop) -> Outcome {
    let run = AssertUnwindSafe(runner.run(task)).catch_unwind();
    let too_late = async {
        stop.ordered().await;
        tokio::time::sleep(runner.stops_within()).await;
    };
    let outcome = tokio::select! {
        outcome = run => outcome.unwrap_or_else(|panic| {
            let detail = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let detail = detail.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Outcome::retry("panic", "the run panicked", detail)
        }),
        () = too_late => Outcome::fail("canceled", "the run was stopped", ""),
    };
    match outcome {
        // It failed because it was told to stop, and that is not its fault.
        Outcome::Fail(_) if stop.reason() == Some(StopReason::Drain) => Outcome::Release(None),
        other => other,
    }
}

/// Progress that no heartbeat has taken along yet goes before the end: afterwards it would be refused.
async fn last_progress(shared: &Shared, parts: &TaskParts) {
    if let Some(progress) = parts.delivery.take() {
        let lease = parts.lease.lease.clone();
        let heartbeat = Heartbeat { lease, progress: Some(progress), ttl: None };
        if let Err(error) = shared.client.heartbeat(&heartbeat, None).await {
            tracing::debug!(%error, "the last progress of a run did not arrive");
        }
    }
}

async fn deliver(
    shared: &Shared,
    runner: &dyn Runner,
    lease: &Lease,
    outcome: Outcome,
    slot: OwnedSemaphorePermit,
    begun: Instant,
) {
    let outcome = match outcome {
        Outcome::Complete(large) if !rides_along(&large) => {
            match deliver::complete(&shared.client, &lease.lease, &large).await {
                Ok(()) => return shared.trouble.went_well(begun),
                Err(error) => unread(runner, &error).await,
            }
        }
        other => other,
    };
    if matches!(outcome, Outcome::Complete(_) | Outcome::Fail(_)) {
        shared.trouble.went_well(begun);
    }
    let action = match outcome {
        Outcome::Complete(ResultBody::Json(json)) => FinishAction::Complete { result: Some(json) },
        Outcome::Complete(_) => FinishAction::Complete { result: None },
        Outcome::Fail(failure) => FinishAction::Fail(failure.acceptable()),
        Outcome::Release(delay) => FinishAction::Release { delay: delay.map(|delay| WireDuration(delay).acceptable()) },
        Outcome::Trouble(what) => {
            FinishAction::Release { delay: shared.trouble.met_by(&lease.job.id, &what).map(WireDuration) }
        }
    };
    let (settled, known) = oneshot::channel();
    let finish = Finish { lease: lease.lease.clone(), action };
    if shared.ended.send(Ended { finish, slot, settled }).is_ok() {
        // No answer means that the worker is gone, and this run with it.
        let _ = known.await;
    }
}

fn rides_along(result: &ResultBody) -> bool {
    match result {
        ResultBody::None => true,
        ResultBody::Json(json) => json.get().len() <= INLINE_MAX,
        ResultBody::Bytes { .. } | ResultBody::File { .. } | ResultBody::OpenFile { .. } => false,
    }
}

/// The outcome of a run whose result cannot be read from its file. One that is not there is the runner's mistake, unless
/// nothing could be run here now.
async fn unread(runner: &dyn Runner, error: &Error) -> Outcome {
    let mistake = matches!(error, Error::Io { source, .. } if matches!(
        source.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::IsADirectory | ErrorKind::NotADirectory
    ));
    if mistake && runner.ready().await.is_ok() {
        return Outcome::retry("result-refused", "the result could not be read", error.in_full());
    }
    Outcome::Trouble(error.in_full())
}

/// Gives a lease back that is not going to be run.
pub(super) async fn give_back(shared: Arc<Shared>, lease: Lease) {
    let finish = Finish { lease: lease.lease, action: FinishAction::Release { delay: None } };
    tokio::select! {
        () = shared.gone.cancelled() => {}
        () = deliver::deliver(&shared.client, finish) => {}
    }
}

/// On the board from here to its drop, so that heartbeats go on until the server knows the end.
struct Listed<'a> {
    shared: &'a Shared,
    lease: String,
}

impl<'a> Listed<'a> {
    fn new(shared: &'a Shared, lease: &Lease, stop: &Stop, delivery: &Arc<Delivery>) -> Self {
        shared.board.add(&lease.lease, lease.heartbeat(), stop.clone(), delivery.clone());
        Self { shared, lease: lease.lease.clone() }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.shared.board.remove(&self.lease);
    }
}
