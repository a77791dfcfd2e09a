//! One lease from its start until the server knows its end.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    Beat, Controls, Ending, Host, Latest, Over, Run, Stop, StopReason, Transport,
    shared::{Ended, LeaseOf, Shared},
};

type KeyOf<H> = <<H as Host>::Transport as Transport>::Key;

/// Runs a lease in a slot.
pub(crate) fn run<H: Host>(
    shared: Arc<Shared<H>>,
    lease: LeaseOf<H>,
    slot: OwnedSemaphorePermit,
) -> impl Future<Output = ()> + Send {
    // From now on, and not only when it is looked at first.
    let (gone, at_work) = (shared.gone.clone(), shared.at_work.token());
    async move {
        tokio::select! {
            () = gone.cancelled() => {}
            () = run_whole(shared, lease, slot, at_work) => {}
        }
    }
}

async fn run_whole<H: Host>(
    shared: Arc<Shared<H>>,
    lease: LeaseOf<H>,
    slot: OwnedSemaphorePermit,
    at_work: TaskTrackerToken,
) {
    let (key, every) = (H::Transport::key(&lease), H::Transport::beats_every(&lease));
    let (stop, progress, begun) = (Stop::default(), Arc::new(Latest::default()), Instant::now());
    let controls = Controls { stop: stop.clone(), progress: progress.clone(), draining: shared.draining.clone() };
    let Some(mut run) = shared.host.begin(lease, controls) else {
        return give_back(shared, key).await;
    };
    // On the board until the server knows the end.
    let _listed = shared.board.list(key.clone(), every, stop.clone(), progress.clone());
    let over = supervised(&mut run, &stop).await;
    let outcome = run.outcome(over);
    // What is left is to tell the server.
    drop(at_work);
    if let Some(what) = H::Run::trouble(&outcome) {
        shared.trouble.met(what);
    }
    run.close(&outcome).await;
    // Asked only now: closing is long enough to lose a lease.
    if stop.reason() == Some(StopReason::Lost) {
        tracing::warn!(job = run.job(), "the lease was lost; the run was stopped");
        return;
    }
    last_progress(&shared, &key, &progress).await;
    let end = match run.end(outcome).await {
        Ending::HandIn { end, went_well } => {
            if went_well {
                shared.trouble.went_well(begun);
            }
            end
        }
        Ending::HandedIn => return shared.trouble.went_well(begun),
        Ending::Trouble(what) => H::Transport::given_back(key, shared.trouble.met_by(&run.job(), &what)),
    };
    let (settled, known) = oneshot::channel();
    if shared.ended.send(Ended { end, slot, settled }).is_ok() {
        // No answer means that the worker is gone, and this run with it.
        let _ = known.await;
    }
}

/// Does the work, and drops it when it does not stop in time.
async fn supervised<T: Transport, R: Run<T>>(run: &mut R, stop: &Stop) -> Over<R::Outcome> {
    let stops_within = run.stops_within();
    let work = AssertUnwindSafe(run.work()).catch_unwind();
    let too_late = async {
        stop.ordered().await;
        tokio::time::sleep(stops_within).await;
    };
    tokio::select! {
        returned = work => match returned {
            Ok(outcome) => Over::Returned(outcome),
            Err(panic) => {
                let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                Over::Panicked(said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
            }
        },
        () = too_late => Over::Dropped,
    }
}

/// Progress that no heartbeat has taken along yet goes before the end: afterwards it would be refused.
async fn last_progress<H: Host>(
    shared: &Shared<H>,
    key: &KeyOf<H>,
    progress: &Latest<<H::Transport as Transport>::Progress>,
) {
    if let Some(progress) = progress.take() {
        let beat = Beat { key: key.clone(), progress: Some(progress) };
        if let Err(error) = shared.transport.heartbeat(&[beat], None).await {
            tracing::debug!(%error, "the last progress of a run did not arrive");
        }
    }
}

/// Gives a lease back that is not going to be run.
pub(crate) async fn give_back<H: Host>(shared: Arc<Shared<H>>, key: KeyOf<H>) {
    tokio::select! {
        () = shared.gone.cancelled() => {}
        () = shared.transport.settle(H::Transport::given_back(key, None)) => {}
    }
}
