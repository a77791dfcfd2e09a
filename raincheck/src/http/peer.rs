//! The other end of a connection, which an endless answer asks whether it is still there.
//!
//! hyper notices that a client has gone by reading. It does not read while it answers and has bytes of a next request
//! already, so an answer that waits for something to say would wait for nobody, as long as the run lasts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// Of the connection whose task this is.
    static PEER: Arc<Mutex<TcpStream>>;
}

/// A connection's stream, shared between hyper and whoever asks for the other end. Both are in one task, so nobody
/// waits for the lock; it is there because only a stream that is one's own knows after a short read that there is no
/// more, without asking the system again.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Mutex<TcpStream>>);

impl Peer {
    /// Takes a stream.
    pub fn new(stream: TcpStream) -> Self {
        Peer(Arc::new(Mutex::new(stream)))
    }

    /// Runs `serving`, in which [`gone`] speaks of this connection.
    pub async fn scope<F: Future>(self, serving: F) -> F::Output {
        PEER.scope(self.0, serving).await
    }
}

/// Resolves when the client has closed the connection, some seconds after it.
pub async fn gone() {
    let Ok(peer) = PEER.try_with(Arc::clone) else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK).await;
        // An error is an end, too.
        let now = peer.lock().ready(Interest::READABLE).now_or_never();
        if now.is_some_and(|now| now.is_ok_and(|now| now.is_read_closed())) {
            return;
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock()).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_shutdown(cx)
    }
}
