use raincheck_core::{Millis, limits};

/// What an operator may set about the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest wait of a request, milliseconds; longer wishes are cut to it.
    pub wait_most: Millis,
    /// Largest stream of one attempt, bytes.
    pub stream_limit: u64,
    /// Largest log of a job, bytes.
    pub log_limit: u64,
    /// How long the store keeps tombstones, milliseconds: old ones are looked for at a tenth of it, at least hourly.
    pub tombstone: Millis,
    /// How long the feed keeps events of forgotten jobs, milliseconds: what grew old is looked for at a tenth of it, at least
    /// every ten minutes.
    pub feed_keep: Millis,
    /// How often half-written payloads are looked for that nobody writes any more, milliseconds.
    pub litter_every: Millis,
    /// Between two small steps of the search for payloads that no job refers to, milliseconds.
    pub orphans_step: Millis,
    /// Version of the program, for people.
    pub version: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            wait_most: limits::WAIT_MILLIS,
            stream_limit: limits::STREAM_BYTES,
            log_limit: limits::LOG_BYTES,
            tombstone: limits::TOMBSTONE_MILLIS,
            feed_keep: limits::FEED_KEEP_MILLIS,
            litter_every: limits::LITTER_MILLIS,
            orphans_step: limits::ORPHANS_STEP_MILLIS,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
