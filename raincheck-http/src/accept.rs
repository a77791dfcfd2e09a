//! The accept loop: caps, timeouts and drain, which `axum::serve` does not have.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::Request;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::front::Front;
use super::peer::{Buffers, Line, Peer};
use super::problem::Untold;
use super::unread::Watched;

/// A new connection must send something, and then a whole request head, within this.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// On one of the last connections within this.
const FIRST_HEAD_KEPT: Duration = Duration::from_secs(2);
/// What is still going on this long after the shutdown began is cut off.
const DRAIN: Duration = Duration::from_secs(9);
/// Pause after the system had no descriptor to give.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);

/// Bounds of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Most connections at once; more wait in the system's backlog.
    pub connections: usize,
    /// Of these, how many are kept for what must go on.
    pub kept: usize,
    /// Largest request head, bytes.
    pub header_bytes: usize,
    /// How long the other end may take nothing of an answer.
    pub stalled: Duration,
    /// How long a connection is kept open for a further request.
    pub idle: Duration,
}

/// Serves connections until `shutdown`, then lets requests under way finish, for at most nine seconds.
pub async fn run(listener: TcpListener, front: Front, caps: Caps, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(caps.connections));
    let connections = TaskTracker::new();
    let (cut, buffers) = (CancellationToken::new(), Buffers::default());
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (front, shutdown, cut) = (front.clone(), shutdown.clone(), cut.clone());
                let (kept, buffers) = (places.available_permits() < caps.kept, buffers.clone());
                connections.spawn(async move {
                    let ends = Ends { shutdown, cut };
                    connection(stream, front, caps, ends, buffers, kept).await;
                    drop(place);
                });
            }
            // The other side gave up before we came to it.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(NO_DESCRIPTOR).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting off what did not finish in time");
        cut.cancel();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// What ends a connection from our side.
struct Ends {
    /// Requests under way finish.
    shutdown: CancellationToken,
    /// Nothing does; comes after `shutdown`, so that only then anybody has to look for it.
    cut: CancellationToken,
}

async fn connection(stream: TcpStream, front: Front, caps: Caps, ends: Ends, buffers: Buffers, kept: bool) {
    let deadline = Instant::now() + if kept { FIRST_HEAD_KEPT } else { FIRST_HEAD };
    tokio::select! {
        () = ends.shutdown.cancelled() => return,
        first = tokio::time::timeout_at(deadline, stream.readable()) => if !matches!(first, Ok(Ok(()))) { return },
    }
    // Answers are small and awaited: collecting them costs more than it saves.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection without TCP_NODELAY");
    }
    let peer = Peer::new(stream, buffers, kept, caps.stalled);
    let line = peer.line();
    let shutdown = ends.shutdown.clone();
    line.clone().scope(talk(peer, &line, &front, caps, deadline, ends)).await;
    tokio::select! {
        () = line.linger() => {}
        () = shutdown.cancelled() => {}
    }
    front.unheard(line.unheard()).await;
}

async fn talk(peer: Peer, line: &Line, front: &Front, caps: Caps, deadline: Instant, ends: Ends) {
    let _open = front.connection();
    let asked = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        line.begin();
        async move {
            let mut answer = front.answer(request.map(Watched::new), line.is_kept()).await;
            line.end();
            if line.closes() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            match answer.extensions().get::<Untold>() {
                // Ends the connection.
                Some(_) => Err("nobody knows whether it was done"),
                None => Ok(answer),
            }
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(caps.idle)
        // Who has closed its half still gets its answer; who is gone is noticed by `broken`.
        .half_close(true)
        // Twice the bound: a head somewhat over it is still read and answered in our own words.
        .max_buf_size((2 * caps.header_bytes).max(8_192))
        .serve_connection(TokioIo::new(peer), service);
    let mut serving = pin!(serving.with_upgrades());
    let mut broken = pin!(line.broken());
    let ended = tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        () = broken.as_mut() => return,
        () = ends.shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = broken => return,
                () = ends.cut.cancelled() => return,
            }
        }
        // Half a head is all that came.
        () = first_head_overdue(deadline, &asked) => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Resolves at the deadline unless there was a request by then; looks at the time only until there was one.
async fn first_head_overdue(deadline: Instant, asked: &AtomicBool) {
    let mut overdue = pin!(tokio::time::sleep_until(deadline));
    poll_fn(|cx| if asked.load(Ordering::Relaxed) { Poll::Pending } else { overdue.as_mut().poll(cx) }).await;
}
