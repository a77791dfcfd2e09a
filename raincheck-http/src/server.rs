//! What all requests share.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use raincheck_engine::Engine;
use raincheck_engine::wire::BaseUrl;
use tokio_util::task::TaskTracker;

use super::base::Base;
use super::damaged::Damaged;
use super::guard::Guard;
use super::options::{Options, can_be_shown};
use super::pace::Pace;
use super::places::Places;
use super::room::Room;
use super::seen::Seen;
use super::watch::frames::LastFrame;
use super::watch::slots::Slots;
use super::wire::Form;

/// A handle to it.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

/// What it holds.
pub struct Shared {
    /// The use cases.
    pub engine: Engine,
    /// As the options said at its start.
    pub options: Arc<Options>,
    /// The description of all routes, made when it is asked for.
    pub document: &'static LazyLock<Bytes>,
    /// From `public_url`.
    pub public: Option<Base>,
    /// Who may come in.
    pub guard: Guard,
    /// Memory for bodies and answers.
    pub room: Room,
    /// Places of open streams.
    pub streams: Slots,
    /// Places of bodies on their way to files.
    pub uploads: Places,
    /// Of watched jobs, and of the whole feed without results and with them, each with frames of its own.
    pub frames: [LastFrame; Form::COUNT],
    /// Open WebSockets, which outlive their requests.
    pub sockets: TaskTracker,
    /// Payloads that were found to be lost.
    pub damaged: Damaged,
    /// Counted for the metrics.
    pub seen: Seen,
}

impl Server {
    /// On this engine.
    ///
    /// # Errors
    /// When `public_url` is not a URL, or nobody can show the token.
    pub fn new(engine: Engine, options: Arc<Options>, document: &'static LazyLock<Bytes>) -> anyhow::Result<Self> {
        let token = options.admin_token.as_deref();
        anyhow::ensure!(
            token.is_none_or(can_be_shown),
            "the admin token has spaces or what is not ASCII: nobody can show it"
        );
        Ok(Server(Arc::new(Shared {
            public: options.public_url.as_deref().map(Base::public).transpose()?,
            guard: Guard::new(&options),
            room: Room::default(),
            streams: Slots::new(options.limits.streams),
            uploads: Places::new(options.limits.uploads),
            frames: Default::default(),
            sockets: TaskTracker::new(),
            damaged: Damaged::default(),
            seen: Seen::default(),
            document,
            engine,
            options,
        })))
    }
}

impl Shared {
    /// What URLs begin with that are the same for whoever asks.
    pub fn base_for_all(&self) -> BaseUrl<'_> {
        self.public.as_ref().map_or(BaseUrl::NONE, BaseUrl::from)
    }

    /// For a body that must not come too slowly.
    pub fn pace(&self) -> Pace {
        Pace::new(Duration::from_millis(u64::try_from(self.options.limits.slow).unwrap_or(0)))
    }
}

impl Deref for Server {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
