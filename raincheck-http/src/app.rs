//! What handlers share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use raincheck_engine::Engine;
use tokio_util::task::TaskTracker;

use super::options::Options;
use super::{base, damaged, guard, pace, places, room, seen, watch, wire};

/// A handle to it, one for each request.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// The server, as its handlers see it.
pub struct Shared {
    pub engine: Engine,
    pub options: Arc<Options>,
    /// From `public_url`.
    pub public: Option<base::Base>,
    pub guard: guard::Guard,
    pub room: room::Room,
    pub streams: watch::slots::Slots,
    pub uploads: places::Places,
    /// Of watched jobs, and of the whole feed without results and with them, each with frames of its own.
    pub frames: [watch::frames::LastFrame; wire::Form::COUNT],
    pub sockets: TaskTracker,
    pub damaged: damaged::Damaged,
    pub seen: seen::Seen,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub fn new(engine: Engine, options: Arc<Options>) -> anyhow::Result<Self> {
        Ok(App(Arc::new(Shared {
            public: options.public_url.as_deref().map(base::Base::public).transpose()?,
            guard: guard::Guard::new(&options),
            room: room::Room::default(),
            streams: watch::slots::Slots::new(options.limits.streams),
            uploads: places::Places::new(options.limits.uploads),
            frames: Default::default(),
            sockets: TaskTracker::new(),
            damaged: damaged::Damaged::default(),
            seen: seen::Seen::default(),
            engine,
            options,
        })))
    }

    /// For a body that must not come too slowly.
    pub fn pace(&self) -> pace::Pace {
        pace::Pace::new(Duration::from_millis(u64::try_from(self.options.limits.slow).unwrap_or(0)))
    }
}
