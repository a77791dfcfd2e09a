//! The HTTP contract: the router as a table of contents.
//!
//! A request passes the accept loop (`accept`), the guard (`front`, `guard`) and the router; a handler reads it with
//! the extractors (`path`, `ask`, `query`, `body`), calls one verb of the engine and writes the answer with `wire`.

mod accept;
mod answer;
mod arriving;
mod ask;
mod base;
mod body;
mod bytes;
mod failed;
mod filename;
mod front;
#[cfg(test)]
mod fuzz;
mod guard;
mod health;
mod jobs;
mod kinds;
mod leases;
mod list;
mod lost;
mod metrics;
mod negotiate;
mod openapi;
mod options;
mod outflow;
mod pace;
mod pages;
mod path;
mod peer;
mod people;
mod precondition;
mod prefer;
mod problem;
mod query;
mod queues;
mod range;
mod readers;
mod result;
mod room;
mod steer;
mod stream;
mod submit;
mod upload;
mod watch;
mod wire;
mod workers;

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use raincheck_core::limits::{CONNECTIONS_KEPT, UNSENT_BYTES};
use raincheck_engine::Engine;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use openapi::DOCUMENT as OPENAPI;
pub use options::{HttpLimits, HttpOptions, KindOptions, Live, tells_failure};

/// Connections that wait to be accepted: with the 128 of the standard library a herd of clients waits for seconds until
/// it asks again. The system cuts it to its own bound.
const BACKLOG: u32 = 4_096;
/// What is left of the ten seconds of a drain when the connections have had theirs.
const SOCKETS: Duration = Duration::from_millis(500);

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    engine: Engine,
    options: Arc<HttpOptions>,
    /// From `public_url`.
    public: Option<base::Base>,
    guard: guard::Guard,
    room: room::Room,
    streams: watch::slots::Slots,
    uploads: upload::Places,
    /// Of watched jobs, and of the whole feed without results and with them, each with frames of its own.
    frames: [watch::frames::LastFrame; wire::Form::COUNT],
    sockets: TaskTracker,
    damaged: lost::Damaged,
    seen: metrics::Seen,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    fn new(engine: Engine, options: Arc<HttpOptions>) -> anyhow::Result<Self> {
        Ok(App(Arc::new(Shared {
            public: options.public_url.as_deref().map(base::Base::public).transpose()?,
            guard: guard::Guard::new(&options),
            room: room::Room::default(),
            streams: watch::slots::Slots::new(options.limits.streams),
            uploads: upload::Places::new(options.limits.uploads),
            frames: Default::default(),
            sockets: TaskTracker::new(),
            damaged: lost::Damaged::default(),
            seen: metrics::Seen::default(),
            engine,
            options,
        })))
    }

    /// For a body that must not come too slowly.
    fn pace(&self) -> pace::Pace {
        pace::Pace::new(Duration::from_millis(u64::try_from(self.options.limits.slow).unwrap_or(0)))
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/jobs", post(submit::post).get(list::get))
        .route("/jobs/batch", post(submit::batch::post))
        .route("/jobs/{id}", get(jobs::get).put(submit::put).delete(steer::purge))
        .route("/jobs/{id}/result", get(result::get))
        .route("/jobs/{id}/stream", get(stream::get))
        .route("/jobs/{id}/log", get(stream::log))
        .route("/jobs/{id}/events", get(watch::job::get))
        .route("/jobs/{id}/cancel", post(steer::cancel))
        .route("/jobs/{id}/rerun", post(steer::rerun))
        .route("/jobs/{id}/run-now", post(steer::run_now))
        .route("/events", get(watch::feed::get))
        .route("/kinds", get(kinds::list))
        .route("/kinds/{kind}", get(kinds::get))
        .route("/kinds/{kind}/jobs", post(submit::raw::post))
        .route("/queues", get(queues::list))
        .route("/queues/{name}", get(queues::get).patch(queues::patch))
        .route("/readers", get(readers::list))
        .route("/readers/{name}", get(readers::get).put(readers::put).delete(readers::delete))
        .route("/workers", get(workers::list))
        .route("/leases", post(leases::post))
        .route("/leases/heartbeat", post(leases::heartbeat::many))
        .route("/leases/{lease}/heartbeat", post(leases::heartbeat::one))
        .route("/leases/{lease}/complete", post(leases::finish::complete))
        .route("/leases/{lease}/fail", post(leases::finish::fail))
        .route("/leases/{lease}/release", post(leases::finish::release))
        .route("/leases/{lease}/input", get(leases::input::get))
        .route("/leases/{lease}/stream", post(leases::append::stream))
        .route("/leases/{lease}/log", post(leases::append::log))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::get))
        .route("/openapi.json", get(openapi::get))
        .route("/", get(people::start))
        .route("/docs", get(people::docs))
        .route("/problems/{slug}", get(people::problem))
        .route("/assets/raincheck.css", get(people::style))
        .route("/assets/job.js", get(people::job_script))
        .route("/assets/api.js", get(people::api_script))
        .fallback(people::missing)
        .with_state(app)
}

/// Takes the port.
pub async fn bind(options: &HttpOptions) -> io::Result<TcpListener> {
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
    options: Arc<HttpOptions>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let app = App::new(engine, options)?;
    let front = front::Front::new(app.clone(), router(app.clone()));
    let limits = &app.options.limits;
    let (connections, header_bytes) = (limits.connections, limits.header_bytes);
    let stalled = Duration::from_millis(u64::try_from(limits.stalled)?);
    let caps = accept::Caps { connections, kept: CONNECTIONS_KEPT.min(connections / 4), header_bytes, stalled };
    let drain = async {
        shutdown.cancelled().await;
        app.engine.drain();
    };
    tokio::join!(accept::run(listener, front, caps, shutdown.clone()), drain);
    app.sockets.close();
    if tokio::time::timeout(SOCKETS, app.sockets.wait()).await.is_err() {
        tracing::warn!(sockets = app.sockets.len(), "cutting off WebSockets that did not close in time");
    }
    Ok(())
}
