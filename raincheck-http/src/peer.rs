//! A connection's stream, and what is to be known of its other end while a request is being dealt with.
//!
//! hyper does not read while it answers, so it does not notice who has gone. Who has closed only its half still wants
//! its answer; from here it looks like one who is gone, until something is written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;
use raincheck_core::{LeaseRef, limits};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use super::linger::linger;
use super::preface;

/// A head that is longer than this takes one of the few large buffers, bytes.
const HEAD: usize = 16 << 10;
/// A read that fills so much makes hyper's buffer grow, bytes.
const FULL: usize = 8 << 10;
/// Pause between two looks where the system does not tell by itself.
#[cfg(not(target_os = "linux"))]
const POLL_INTERVAL: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// Of the connection whose task this is.
    static LINE: Arc<Line>;
}

/// Buffers of the process that may be large, one permit each; other connections read in small pieces.
#[derive(Clone, Debug)]
pub struct Buffers(Arc<Semaphore>);

impl Default for Buffers {
    fn default() -> Self {
        Buffers(Arc::new(Semaphore::new(limits::LARGE_BUFFERS)))
    }
}

/// What a connection's task knows of its stream.
#[derive(Debug)]
pub struct Line {
    out: OwnedWriteHalf,
    /// One of the last connections, which are kept for what must go on.
    kept: bool,
    /// A request is being dealt with.
    busy: AtomicBool,
    /// Bytes read since the last request began.
    read: AtomicUsize,
    /// Its sender may be going on with a body of which nobody reads the rest.
    unread: AtomicBool,
    /// It ends with the answer that is being made.
    closes: AtomicBool,
    /// Something of an answer is not with the system yet.
    unsent: AtomicBool,
    /// Bytes of a streamed answer that are made and not with the system yet.
    owed: AtomicUsize,
    /// The rest of the answer waits for them.
    waits: AtomicBool,
    /// Of what is being sent in pieces; let go of when nothing is taken.
    rest: Mutex<Option<Bytes>>,
    /// The runs that the last answer hands out.
    handed: Mutex<Vec<LeaseRef>>,
}

/// A connection's stream.
#[derive(Debug)]
pub struct Peer {
    read: OwnedReadHalf,
    line: Arc<Line>,
    buffers: Buffers,
    /// Its large buffer.
    large: Option<OwnedSemaphorePermit>,
    /// There was none.
    is_small: bool,
    /// Nothing has been read yet.
    is_new: bool,
    /// Who takes no byte of an answer for so long is not waited for.
    patience: Duration,
    /// Runs while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Peer {
    /// Takes a stream; `kept` says that it is one of the last.
    pub fn new(stream: TcpStream, buffers: Buffers, kept: bool, patience: Duration) -> Self {
        let (read, out) = stream.into_split();
        let line = Line {
            out,
            kept,
            busy: AtomicBool::default(),
            read: AtomicUsize::default(),
            unread: AtomicBool::default(),
            closes: AtomicBool::default(),
            unsent: AtomicBool::default(),
            owed: AtomicUsize::default(),
            waits: AtomicBool::default(),
            rest: Mutex::default(),
            handed: Mutex::default(),
        };
        Peer {
            read,
            line: Arc::new(line),
            buffers,
            large: None,
            is_small: false,
            is_new: true,
            patience,
            stalled: None,
        }
    }

    /// What the connection's task knows of it.
    pub fn line(&self) -> Arc<Line> {
        self.line.clone()
    }

    /// Bounds what hyper holds of what was read: its buffer grows with reads that fill it, and with a head.
    fn count(&mut self, read: usize) -> io::Result<()> {
        let before = self.line.read.fetch_add(read, Relaxed);
        if self.large.is_some() || (read < FULL && before + read <= HEAD) {
            return Ok(());
        }
        self.large = self.buffers.0.clone().try_acquire_owned().ok();
        self.is_small = self.large.is_none();
        if self.is_small && before + read > HEAD && !self.line.busy.load(Relaxed) {
            return Err(io::Error::other("no room for a long head"));
        }
        Ok(())
    }

    fn poll_small(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = buf.remaining().min(FULL - 1);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.read).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        size: usize,
        mut send: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Peer { line, stalled, patience, .. } = self;
        let stream: &TcpStream = line.out.as_ref();
        loop {
            if stream.poll_write_ready(cx)?.is_pending() {
                line.unsent.store(true, Relaxed);
                line.rest.lock().take();
                let stalled = stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(*patience)));
                ready!(stalled.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            match send(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    *stalled = None;
                    let is_whole = sent.as_ref().is_ok_and(|sent| *sent == size);
                    line.unsent.store(!is_whole, Relaxed);
                    if is_whole {
                        line.owed.store(0, Relaxed);
                        if line.waits.swap(false, Relaxed) {
                            cx.waker().wake_by_ref();
                        }
                    }
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

impl Line {
    /// Runs `serving`, in which the functions of this module speak of this connection.
    pub async fn scope<F: Future>(self: Arc<Self>, serving: F) -> F::Output {
        LINE.scope(self, serving).await
    }

    /// A request begins: whoever sends it has the answer to the one before.
    pub fn begin(&self) {
        self.busy.store(true, Relaxed);
        self.read.store(0, Relaxed);
        self.owed.store(0, Relaxed);
        self.rest.lock().take();
        self.handed.lock().clear();
    }

    /// The request has been dealt with.
    pub fn end(&self) {
        self.busy.store(false, Relaxed);
    }

    /// Whether more of a streamed answer is to be made; if not, its task is woken when it is.
    pub fn takes_more(&self) -> bool {
        let takes_more = self.owed.load(Relaxed) < limits::PIECE_BYTES;
        self.waits.store(!takes_more, Relaxed);
        takes_more
    }

    /// So much more of a streamed answer was made.
    pub fn owes(&self, bytes: usize) {
        self.owed.fetch_add(bytes, Relaxed);
    }

    /// Whether this is one of the last connections.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether it ends with the answer that is being made.
    pub fn closes(&self) -> bool {
        self.closes.load(Relaxed)
    }

    /// Lets a sender that goes on sending read its answer, once the connection is over. One of the last connections is
    /// not held for that.
    pub async fn linger(&self) {
        if self.unread.load(Relaxed) && !self.kept {
            linger(self.out.as_ref()).await;
        }
    }

    /// The runs of an answer that was not sent whole, once the connection is over.
    pub fn unheard(&self) -> Vec<LeaseRef> {
        if self.unsent.load(Relaxed) { std::mem::take(&mut *self.handed.lock()) } else { Vec::new() }
    }

    /// Resolves when the connection is broken: nobody will get what is written to it.
    pub async fn broken(&self) {
        let stream: &TcpStream = self.out.as_ref();
        // An error here says so, too.
        while let Ok(now) = stream.ready(Interest::ERROR).await
            && !now.is_error()
        {}
    }
}

/// Notes which runs the answer hands out. They are given back if it cannot be sent.
pub fn handed(runs: impl Iterator<Item = LeaseRef>) {
    // Without a connection there is nobody to lose them.
    let _ = LINE.try_with(|line| {
        line.handed.lock().extend(runs);
        line.unsent.store(true, Relaxed);
    });
}

/// Keeps what is being sent in pieces until [`kept`] asks for it or nothing is taken.
pub fn keep(rest: Bytes) {
    // Without a connection there is nobody to keep it.
    let _ = LINE.try_with(|line| *line.rest.lock() = Some(rest));
}

/// What [`keep`] was given, if it is there still.
pub fn kept() -> Option<Bytes> {
    LINE.try_with(|line| line.rest.lock().take()).ok()?
}

/// The connection whose task this is.
pub fn line() -> Option<Arc<Line>> {
    LINE.try_with(Arc::clone).ok()
}

/// Notes that a body was not read to its end.
pub fn leave_unread() {
    // Without a connection nobody is cut off.
    let _ = LINE.try_with(|line| line.unread.store(true, Relaxed));
}

/// Notes that nobody will read the rest of the body: the connection cannot go on after the answer.
pub fn close() {
    let _ = LINE.try_with(|line| line.closes.store(true, Relaxed));
}

/// Whether the request came on one of the last connections, where nothing may wait.
pub fn is_kept() -> bool {
    LINE.try_with(|line| line.kept).unwrap_or(false)
}

/// Resolves when the client has closed its half of the connection or all of it: nobody can tell which.
pub async fn half_closed() {
    let Ok(line) = LINE.try_with(Arc::clone) else { return std::future::pending().await };
    let stream: &TcpStream = line.out.as_ref();
    #[cfg(target_os = "linux")]
    // Of a stream that was not registered for urgent bytes this tells the end of what is read, and nothing else: not
    // bytes that wait to be read.
    while let Ok(now) = stream.ready(Interest::PRIORITY).await
        && !now.is_read_closed()
    {
        tokio::task::yield_now().await;
    }
    #[cfg(not(target_os = "linux"))]
    loop {
        use futures_util::FutureExt;
        if stream.ready(Interest::READABLE).now_or_never().is_some_and(|now| !now.is_ok_and(|n| !n.is_read_closed())) {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// These frames, and `probe` among them once the client has closed its half: who is gone answers it with a reset.
pub fn probed<T>(frames: impl Stream<Item = T> + Send + 'static, probe: T) -> impl Stream<Item = T> + Send + 'static
where
    T: Send + 'static,
{
    let mut frames = Box::pin(frames);
    let mut left = Some(Box::pin(async {
        half_closed().await;
        probe
    }));
    futures_util::stream::poll_fn(move |cx| {
        if let Poll::Ready(frame) = frames.as_mut().poll_next(cx) {
            return Poll::Ready(frame);
        }
        let probe = ready!(left.as_mut().map_or(Poll::Pending, |left| left.as_mut().poll(cx)));
        left = None;
        Poll::Ready(Some(probe))
    })
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.is_small {
            ready!(self.poll_small(cx, buf))?;
        } else {
            ready!(Pin::new(&mut self.read).poll_read(cx, buf))?;
        }
        if std::mem::take(&mut self.is_new)
            && let Some(refusal) = preface::refusal(&buf.filled()[before..])
        {
            // hyper reads no further. Where not even this can be sent, the connection just ends.
            let stream: &TcpStream = self.line.out.as_ref();
            stream.try_write(refusal)?;
        }
        Poll::Ready(self.count(buf.filled().len() - before))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes.len(), |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = pieces.iter().map(|piece| piece.len()).sum();
        self.poll_send(cx, size, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(rustix::net::shutdown(self.line.out.as_ref(), rustix::net::Shutdown::Write)?))
    }
}
