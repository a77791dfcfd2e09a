/// What an operator may set on a queue.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct QueueSettings {
    /// While true nothing is leased from it; submits go on.
    pub paused: bool,
    /// Bound of waiting jobs; `None` is the server's default.
    pub max_queued: Option<u64>,
    /// Most jobs of the queue running at once, on all nodes; `None` is no limit.
    pub concurrency: Option<u32>,
}

/// A change of [`QueueSettings`]: members that are `None` stay; `Some(None)` goes back to the default.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct QueuePatch {
    /// See [`QueueSettings::paused`].
    pub paused: Option<bool>,
    /// See [`QueueSettings::max_queued`].
    pub max_queued: Option<Option<u64>>,
    /// See [`QueueSettings::concurrency`].
    pub concurrency: Option<Option<u32>>,
    /// Only if these are set now.
    pub expected: Option<QueueSettings>,
}

impl QueuePatch {
    /// The settings after this change.
    pub fn apply(&self, mut settings: QueueSettings) -> QueueSettings {
        settings.paused = self.paused.unwrap_or(settings.paused);
        settings.max_queued = self.max_queued.unwrap_or(settings.max_queued);
        settings.concurrency = self.concurrency.unwrap_or(settings.concurrency);
        settings
    }
}

/// What a submit needs to know of its queue and of the whole store.
#[derive(Clone, Debug, Default)]
pub struct QueueFacts {
    /// Jobs of the queue waiting now.
    pub waiting: u64,
    /// Most jobs that may wait in it: its own setting, or the default of the store.
    pub max_queued: u64,
    /// Jobs waiting in all queues.
    pub waiting_in_all: u64,
    /// Most jobs that may wait in all queues, from the options of the store.
    pub max_in_all: u64,
    /// Next number to hand out in this queue, see [`crate::Job::ticket`].
    pub next_ticket: i64,
}
