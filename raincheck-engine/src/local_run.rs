use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raincheck_core::{Content, Failure, FailureCode, LeaseRef, Millis, Outcome};
use raincheck_store::Renewed;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::handlers::{Handler, Unread};
use crate::{Beat, Engine, Leased, Task};

/// A job whose input could not be read is not tried again sooner, milliseconds.
const UNREAD_PAUSE: Millis = 5_000;

/// The function's task; ends with this handle.
struct Work(JoinHandle<Result<Content, Failure>>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a function for a lease, keeps the lease alive, and tells the function when to stop. Answers the end to
/// report; `None` when the run is over already.
pub(crate) async fn run(
    engine: Engine,
    leased: Leased,
    handler: Handler,
    grace: Millis,
) -> Option<(LeaseRef, Outcome)> {
    let lease = leased.job.lease_ref();
    let heartbeat = Duration::from_millis(leased.heartbeat.max(1) as u64);
    let cancel = CancellationToken::new();
    let unread = Arc::new(Unread::default());
    let task = Task {
        job: leased.job,
        spec: leased.spec,
        cancel: cancel.clone(),
        engine: engine.clone(),
        unread: unread.clone(),
    };
    let mut work = Work(tokio::spawn(async move { handler(task).await }));
    let signal = tokio::select! {
        ended = &mut work.0 => return Some((lease, outcome(ended, &unread))),
        signal = listen(&engine, lease, heartbeat) => signal,
    };
    cancel.cancel();
    let deadline = Instant::now() + Duration::from_millis(grace.max(0) as u64);
    // Lost: nothing it returns counts any more, and another run may begin; it may tidy up, but not for long.
    let ended = tokio::select! {
        ended = &mut work.0 => Some(outcome(ended, &unread)),
        () = sleep_until(deadline) => None,
        () = keep(&engine, lease, heartbeat), if signal == Signal::Stop => None,
    };
    let late = || fail(Failure::of(FailureCode::Failed, "dropped: it did not stop when asked to"));
    (signal == Signal::Stop).then(|| (lease, ended.unwrap_or_else(late)))
}

#[derive(Clone, Copy, PartialEq)]
enum Signal {
    /// The job was called off.
    Stop,
    /// The lease is over.
    Lost,
}

/// Keeps the lease alive until the run should stop.
async fn listen(engine: &Engine, lease: LeaseRef, heartbeat: Duration) -> Signal {
    loop {
        let beat = Beat { lease, ttl: None, progress: None };
        let begun = Instant::now();
        match engine.heartbeat(vec![beat], heartbeat.as_millis() as Millis).await.as_deref() {
            Ok([Renewed::Extended { cancel_requested: true, .. }]) => return Signal::Stop,
            Ok([Renewed::Lost]) => return Signal::Lost,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a local heartbeat failed"),
        }
        // It may answer early: never in a tight circle.
        tokio::time::sleep_until(begun + heartbeat / 2).await;
    }
}

/// Keeps the lease of a run that has been asked to stop; resolves when it is lost all the same.
async fn keep(engine: &Engine, lease: LeaseRef, heartbeat: Duration) {
    loop {
        let beat = Beat { lease, ttl: None, progress: None };
        if let Ok([Renewed::Lost]) = engine.heartbeat(vec![beat], 0).await.as_deref() {
            return;
        }
        sleep(heartbeat).await;
    }
}

fn outcome(ended: Result<Result<Content, Failure>, tokio::task::JoinError>, unread: &Unread) -> Outcome {
    match ended {
        Ok(Ok(content)) => Outcome::Complete(content),
        Ok(Err(_)) | Err(_) if unread.for_good.load(Ordering::Relaxed) => {
            let failure = Failure::of(FailureCode::Failed, "payload-lost: the input is lost");
            Outcome::Fail { failure, retryable: false, retry_after: None }
        }
        Ok(Err(_)) | Err(_) if unread.for_now.load(Ordering::Relaxed) => {
            tracing::error!("an input cannot be read; its job is given back for a while");
            Outcome::Release { delay: UNREAD_PAUSE }
        }
        Ok(Err(failure)) => fail(failure),
        Err(error) => fail(Failure::of(FailureCode::Failed, format!("the function broke off: {error}"))),
    }
}

fn fail(failure: Failure) -> Outcome {
    Outcome::Fail { failure, retryable: true, retry_after: None }
}
