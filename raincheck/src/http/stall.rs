//! Answers that nobody takes: a peer that reads nothing for a while is cut off, with what was opened for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream whose writes fail when the other end has taken nothing for so long.
#[derive(Debug)]
pub struct Taken<S> {
    stream: S,
    longest: Duration,
    /// Runs while a write waits.
    overdue: Option<Pin<Box<Sleep>>>,
}

impl<S> Taken<S> {
    /// Bounds the waits of `stream`.
    pub fn new(stream: S, longest: Duration) -> Self {
        Taken { stream, longest, overdue: None }
    }

    fn within<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.overdue = None;
            return written;
        }
        let longest = self.longest;
        ready!(self.overdue.get_or_insert_with(|| Box::pin(sleep(longest))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing of the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.within(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.within(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_write_fails_when_nothing_is_taken_and_not_before() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = Taken::new(ours, Duration::from_secs(60));
        let mut taken = [0; 32];
        let (written, read) = tokio::join!(ours.write_all(&[7; 32]), theirs.read_exact(&mut taken));
        assert_eq!((written.is_ok(), read.unwrap(), taken), (true, 32, [7; 32]));
        ours.longest = Duration::from_millis(50);
        assert_eq!(ours.write_all(&[7; 32]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // It is still there, and may take the rest.
        theirs.read_exact(&mut taken[..8]).await.unwrap();
        ours.write_all(&[7; 8]).await.unwrap();
    }
}
