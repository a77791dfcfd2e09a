use clap::ValueEnum;

/// Jobs of one transaction of the store.
pub const BATCH: usize = 64;

/// A hot path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "`what` says it")]
pub enum HotPath {
    Decide,
    Submit,
    Run,
    Livez,
    Get,
    Unchanged,
    Post,
    Life,
}

impl HotPath {
    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::Decide => "deciding a submit",
            Self::Submit => "a submit through the store, 64 a transaction",
            Self::Run => "a lease and a completion through the store, 64 a transaction",
            Self::Livez => "HTTP alone: GET /livez",
            Self::Get => "GET of a job over HTTP",
            Self::Unchanged => "304 for a job over HTTP",
            Self::Post => "a submit over HTTP, alone in its transaction",
            Self::Life => "a lease and a completion over HTTP, each alone in its transaction",
        }
    }

    /// How often it is walked in one process and, twice, in the other; each walk is so many jobs or requests.
    pub fn walks(self) -> (usize, usize) {
        match self {
            Self::Decide => (2_000, 1),
            Self::Submit | Self::Run => (20, BATCH),
            // The shorter a path, the more often, so that what the server does by the clock is little beside it.
            Self::Livez => (2_000, 1),
            Self::Get | Self::Unchanged => (1_000, 1),
            Self::Post | Self::Life => (400, 1),
        }
    }
}
