//! A server on a port of its own: with bounds on connections, timeouts and a drain, which `axum::serve` does not have.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use raincheck_core::limits::{CONNECTIONS_KEPT, UNSENT_BYTES};
use raincheck_engine::Engine;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use super::accept;
use super::front::Front;
use super::options::Options;

/// Connections that wait to be accepted: with the 128 of the standard library a herd of clients waits for seconds until
/// it asks again. The system cuts it to its own bound.
const BACKLOG: u32 = 4_096;
/// What is left of the ten seconds of a drain when the connections have had theirs.
const SOCKETS: Duration = Duration::from_millis(500);

/// Takes the port.
pub async fn bind(options: &Options) -> io::Result<TcpListener> {
    let socket = if options.listen.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    // What is accepted inherits it. What is on its way is not bounded by it, so a fast line stays full; one that takes nothing
    // is not sent megabytes first, as it would be by the buffers of the system.
    #[cfg(target_os = "linux")]
    SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(options.listen)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown`, then drains: streams and waits end, accepted requests finish. Returns within ten seconds
/// of it. The engine is left draining, for the caller to stop.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    options: Arc<Options>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let front = Front::new(engine, options)?;
    let server = front.server.clone();
    let limits = &server.options.limits;
    let (connections, header_bytes) = (limits.connections, limits.header_bytes);
    let millis = |millis| u64::try_from(millis).map(Duration::from_millis);
    let (stalled, idle) = (millis(limits.stalled)?, millis(limits.idle)?);
    let caps = accept::Caps { connections, kept: CONNECTIONS_KEPT.min(connections / 4), header_bytes, stalled, idle };
    let drain = async {
        shutdown.cancelled().await;
        server.engine.drain();
    };
    tokio::join!(accept::run(listener, front, caps, shutdown.clone()), drain);
    server.sockets.close();
    if tokio::time::timeout(SOCKETS, server.sockets.wait()).await.is_err() {
        tracing::warn!(sockets = server.sockets.len(), "cutting off WebSockets that did not close in time");
    }
    Ok(())
}
