//! Carries what a run streams or logs to the server, in order, in few requests, and once.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use raincheck_worker::Backoff;
use tokio::{sync::Notify, task::JoinHandle};

use super::{Outcome, Stop, StopReason, outgoing::Outgoing};
use crate::{Client, Error, api::Lease, client::Body};

/// The largest piece that is taken at once: larger ones are cut.
const PIECE_MAX: usize = 64 * 1024;
/// A log waits so long for more, so that a line each does not become a request each.
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// Where bytes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To the caller; of this media type.
    Stream(String),
    /// To the operators.
    Log,
}

/// An open end; made with the first byte.
pub(crate) struct Append {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    outgoing: Mutex<Outgoing>,
    target: Target,
    stop: Stop,
    /// There is more to send, or nothing more will come.
    filled: Notify,
    /// Something was sent, or nothing more will be.
    emptied: Notify,
    /// The server did not answer the last request.
    away: AtomicBool,
    /// Why a stream is not what its run wrote.
    failure: OnceLock<Failed>,
}

struct Failed {
    kind: String,
    title: String,
    detail: String,
    retryable: bool,
}

impl Append {
    pub(crate) fn start(client: Client, lease: &Lease, target: Target, stop: Stop) -> Self {
        let outgoing = match target {
            Target::Stream(_) => Outgoing::stream(lease.limits.stream_bytes),
            Target::Log => Outgoing::log(lease.limits.log_bytes),
        };
        let shared = Arc::new(Shared {
            outgoing: Mutex::new(outgoing),
            target,
            stop,
            filled: Notify::new(),
            emptied: Notify::new(),
            away: AtomicBool::new(false),
            failure: OnceLock::new(),
        });
        let carrier = Carrier { client, lease: lease.lease.clone(), shared: shared.clone(), offset: 0 };
        // What runs before wrote is in the same log.
        let ask = shared.target == Target::Log && lease.attempt > 1;
        Self { shared, task: Mutex::new(Some(tokio::spawn(carrier.carry(ask)))) }
    }

    /// Resolves when the next piece finds room, or when there is no use in waiting for it.
    pub(crate) async fn ready(&self) {
        loop {
            let emptied = self.shared.emptied.notified();
            if self.shared.outgoing().is_ready() {
                return;
            }
            emptied.await;
        }
    }

    /// Never waits. What a log has no room for is left out, which the log says; a stream that is over its limit ends
    /// its run.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let over = {
            let mut outgoing = self.shared.outgoing();
            outgoing.push(bytes);
            self.shared.target != Target::Log && outgoing.left_out() > 0
        };
        if over {
            self.shared.fail_full();
        }
        self.shared.filled.notify_one();
    }

    /// Waits while the server is behind.
    pub(crate) async fn write(&self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE_MAX) {
            self.ready().await;
            self.push(piece);
            if self.shared.failure.get().is_some() {
                // Who goes on all the same must not keep others from running.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes no more, and waits until everything is there. A server that answers and still does not take it gets so
    /// long; one that is away is waited for, as the outcome has to wait for it anyway.
    pub(crate) async fn close(&self, within: Duration) {
        self.shared.outgoing().close();
        self.shared.filled.notify_one();
        let task = self.task.lock().map_or(None, |mut task| task.take());
        let Some(mut task) = task else { return };
        while tokio::time::timeout(within, &mut task).await.is_err() {
            if self.shared.away.load(Ordering::Relaxed) && self.shared.stop.reason() != Some(StopReason::Lost) {
                continue;
            }
            task.abort();
            tracing::warn!(target = ?self.shared.target, "the server does not take the end of a run's output");
            self.shared.fail("stream-undelivered", "the server did not take the end of the stream", "", true);
            return;
        }
    }

    /// The outcome of a run whose stream is not whole.
    pub(crate) fn failure(&self) -> Option<Outcome> {
        self.shared.failure.get().map(|failed| {
            let make = if failed.retryable { Outcome::retry } else { Outcome::fail };
            make(failed.kind.clone(), failed.title.clone(), failed.detail.clone())
        })
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().map_or(None, |mut task| task.take()) {
            task.abort();
        }
    }
}

impl Shared {
    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail_full(&self) {
        let most = self.outgoing().most();
        self.fail("stream-full", &format!("the stream is over its limit of {most} bytes"), "", false);
    }

    /// A stream that is not whole is no success; the first reason stays.
    fn fail(&self, kind: &str, title: &str, detail: &str, retryable: bool) {
        if self.target == Target::Log {
            return;
        }
        let failed = Failed { kind: kind.into(), title: title.into(), detail: detail.into(), retryable };
        if self.failure.set(failed).is_ok() {
            self.stop.order(StopReason::Refused);
        }
    }
}

struct Carrier {
    client: Client,
    lease: String,
    shared: Arc<Shared>,
    offset: u64,
}

impl Carrier {
    async fn carry(mut self, ask: bool) {
        if !ask || self.ask_for_room().await {
            while let Some(batch) = self.next().await {
                if !self.send(batch).await {
                    break;
                }
            }
        }
        let left_out = {
            let mut outgoing = self.shared.outgoing();
            outgoing.close();
            outgoing.left_out()
        };
        if self.shared.target == Target::Log && left_out > 0 {
            tracing::warn!(bytes = left_out, "a job's log has no room even to say what is missing");
        }
        // Nobody waits for what is not sent.
        self.shared.emptied.notify_waiters();
    }

    /// The next bytes to send; `None` at the end.
    async fn next(&self) -> Option<Bytes> {
        loop {
            if self.shared.target == Target::Log && !self.shared.outgoing().is_closed() {
                let _ = tokio::time::timeout(LOG_PAUSE, self.worth_sending()).await;
            }
            let (batch, closed) = {
                let mut outgoing = self.shared.outgoing();
                (outgoing.next(), outgoing.is_closed())
            };
            if batch.is_some() {
                self.shared.emptied.notify_waiters();
                return batch;
            }
            if closed {
                return None;
            }
            self.shared.filled.notified().await;
        }
    }

    async fn worth_sending(&self) {
        while !self.shared.outgoing().is_worth_sending() {
            self.shared.filled.notified().await;
        }
    }

    /// Whether to go on.
    async fn ask_for_room(&mut self) -> bool {
        let mut backoff = Backoff::default();
        loop {
            match self.client.log_room(&self.lease).await {
                Ok(there) => {
                    self.offset = there.offset;
                    if let Some(room) = there.room {
                        self.shared.outgoing().set_most(room);
                    }
                    return true;
                }
                Err(error) if !self.may_try_again(&error) => return false,
                Err(error) => backoff.pause(&error).await,
            }
        }
    }

    /// Whether to go on.
    async fn send(&mut self, bytes: Bytes) -> bool {
        let length = bytes.len() as u64;
        let body = Body::from(bytes);
        let mut backoff = Backoff::default();
        loop {
            let sent = match &self.shared.target {
                Target::Stream(content_type) => {
                    self.client.append_stream(&self.lease, self.offset, &body, content_type).await
                }
                Target::Log => self.client.append_log(&self.lease, self.offset, &body).await,
            };
            match sent {
                Ok(()) => {
                    self.shared.away.store(false, Ordering::Relaxed);
                    self.offset += length;
                    return true;
                }
                Err(error) if !self.may_try_again(&error) => return false,
                Err(error) => backoff.pause(&error).await,
            }
        }
    }

    fn may_try_again(&self, error: &Error) -> bool {
        let away = matches!(error, Error::Unreachable { .. } | Error::TimedOut(_));
        self.shared.away.store(away, Ordering::Relaxed);
        if error.is_transient() {
            return true;
        }
        if error.is_lease_lost() {
            self.shared.stop.order(StopReason::Lost);
        } else if error.status() == Some(413) && self.shared.target != Target::Log {
            self.shared.fail_full();
        } else {
            tracing::warn!(target = ?self.shared.target, %error, "the rest of a run's output is refused");
            let kind = error.slug().filter(|slug| !slug.is_empty()).unwrap_or("stream-refused");
            self.shared.fail(kind, "the server refused the stream", &error.to_string(), false);
        }
        false
    }
}
