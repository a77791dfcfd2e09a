//! The HTTP contract: the router as a table of contents.

mod options;

use std::io;
use std::sync::Arc;

use raincheck_engine::Engine;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use options::{Defaults, HttpLimits, HttpOptions, KindOptions, Policy, Resolved};

/// Takes the port.
pub async fn bind(options: &HttpOptions) -> io::Result<TcpListener> {
    TcpListener::bind(options.listen).await
}

/// Serves until `shutdown`, then drains; returns within ten seconds of it.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    options: Arc<HttpOptions>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let _ = (listener, engine, options);
    shutdown.cancelled().await;
    Ok(())
}
