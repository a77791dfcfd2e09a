//! Carries what a run streams or logs to the server, in order, in few requests, and once.

use std::{sync::Mutex, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{Stop, StopReason};
use crate::{Client, Error, backoff::Backoff, client::Body};

/// One request carries at most so many bytes, and a run may be so many ahead of the server.
const REQUEST_MAX: usize = 256 * 1024;
/// Pieces that wait to be sent.
const AHEAD_MAX: usize = 128;
/// The largest piece: larger ones are cut.
const PIECE_MAX: usize = 64 * 1024;
/// A log waits so long for more, so that a line each does not become a request each.
const LOG_PAUSE: Duration = Duration::from_millis(100);
/// A job's log is cut here on this side, too; in bytes.
const LOG_MAX: u64 = 8 * 1024 * 1024;

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
    /// Taken away when the run ends: whoever still holds the task can write no more.
    sender: Mutex<Option<mpsc::Sender<Bytes>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Append {
    pub(crate) fn start(client: Client, lease: String, target: Target, stop: Stop) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD_MAX);
        let carrier = Carrier { client, lease, target, stop, offset: 0, full: false };
        Self { sender: Mutex::new(Some(sender)), task: Mutex::new(Some(tokio::spawn(carrier.carry(receiver)))) }
    }

    /// Waits while the server is behind.
    pub(crate) async fn write(&self, bytes: Bytes) {
        let Some(sender) = self.sender() else { return };
        for piece in pieces(bytes) {
            // An error means that the carrier gave up, because the lease is lost.
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    }

    /// Never waits: what does not fit is dropped.
    pub(crate) fn try_write(&self, bytes: Bytes) {
        let Some(sender) = self.sender() else { return };
        for piece in pieces(bytes) {
            if sender.try_send(piece).is_err() {
                return;
            }
        }
    }

    /// Takes no more, and waits until everything is there, at most for so long.
    pub(crate) async fn close(&self, within: Duration) {
        drop(self.sender.lock().map_or(None, |mut sender| sender.take()));
        let task = self.task.lock().map_or(None, |mut task| task.take());
        if let Some(mut task) = task
            && tokio::time::timeout(within, &mut task).await.is_err()
        {
            task.abort();
        }
    }

    fn sender(&self) -> Option<mpsc::Sender<Bytes>> {
        self.sender.lock().map_or(None, |sender| sender.clone())
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().map_or(None, |mut task| task.take()) {
            task.abort();
        }
    }
}

fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(PIECE_MAX))))
}

struct Carrier {
    client: Client,
    lease: String,
    target: Target,
    stop: Stop,
    offset: u64,
    full: bool,
}

impl Carrier {
    async fn carry(mut self, mut pieces: mpsc::Receiver<Bytes>) {
        while let Some(first) = pieces.recv().await {
            if self.target == Target::Log && !pieces.is_closed() {
                tokio::time::sleep(LOG_PAUSE).await;
            }
            let mut batch = BytesMut::from(first);
            while batch.len() < REQUEST_MAX {
                match pieces.try_recv() {
                    Ok(piece) => batch.extend_from_slice(&piece),
                    Err(_) => break,
                }
            }
            // Full, it goes on taking, so that whoever writes is not held up for ever.
            if !self.full && !self.send(batch.freeze()).await {
                return;
            }
        }
    }

    /// Whether to go on.
    async fn send(&mut self, mut bytes: Bytes) -> bool {
        if self.target == Target::Log && self.offset + bytes.len() as u64 > LOG_MAX {
            self.full = true;
            bytes.truncate(usize::try_from(LOG_MAX - self.offset).unwrap_or(0));
            bytes = [bytes, Bytes::from_static(b"\n[the rest of the log was cut]\n")].concat().into();
        }
        let length = bytes.len() as u64;
        let body = Body::from(bytes);
        let mut backoff = Backoff::default();
        loop {
            let sent = match &self.target {
                Target::Stream(content_type) => {
                    self.client.append_stream(&self.lease, self.offset, &body, content_type).await
                }
                Target::Log => self.client.append_log(&self.lease, self.offset, &body).await,
            };
            match sent {
                Ok(()) => {
                    self.offset += length;
                    return true;
                }
                Err(error) if error.is_lease_lost() => {
                    self.stop.order(StopReason::Lost);
                    return false;
                }
                Err(error) if error.is_transient() => backoff.pause(&error).await,
                Err(error) => {
                    self.refused(&error);
                    return true;
                }
            }
        }
    }

    fn refused(&mut self, error: &Error) {
        tracing::warn!(target = ?self.target, %error, "the rest of a run's output is dropped");
        self.full = true;
    }
}
