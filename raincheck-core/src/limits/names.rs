//! Names, and how many of them there may be.

/// Longest name of a queue or kind, bytes.
pub const NAME_BYTES: usize = 128;
/// Longest label, bytes.
pub const LABEL_BYTES: usize = 256;
/// Longest idempotency key, bytes.
pub const KEY_BYTES: usize = 255;
/// Most tags on a job.
pub const TAGS: usize = 32;
/// Longest tag name or value, bytes.
pub const TAG_BYTES: usize = 256;
/// Longest words of a worker about its own trouble, bytes.
pub const TROUBLE_BYTES: usize = 1 << 10;
/// Most names in one lease request.
pub const LEASE_NAMES: usize = 1_000;
/// Most patterns among them: each is held against every kind that has jobs.
pub const LEASE_PATTERNS: usize = 100;
/// Most names and patterns in one filter: each is held against every name that is known, and every event that is told.
pub const FILTER_NAMES: usize = 32;
/// Most queues.
pub const QUEUES: usize = 10_000;
/// Most kinds.
pub const KINDS: usize = 10_000;
/// Jobs of each kind of a queue that are looked at, from the one that is next, for how long they have waited.
pub const HEAD_OF_LINE: usize = 10;
/// Most queues, and most kinds, with metrics of their own.
pub const METRIC_NAMES: usize = 1_000;
/// Most named objects of a kind.
pub const OBJECTS: usize = 10_000;
/// Largest body of a named object, bytes.
pub const OBJECT_BYTES: usize = 64 << 10;
/// Longest lease string that is looked at, bytes.
pub const LEASE_BYTES: usize = 255;
/// Most workers that are remembered.
pub const WORKERS: usize = 10_000;
/// Names of kinds and queues that workers asked for and are remembered with.
pub const WORKER_NAMES: usize = 100_000;
/// Names of kinds and queues in all requests that wait for work.
pub const WAITING_NAMES: usize = 100_000;
/// Patterns in all of them, equal ones counted once: each is held against the kind of every job that becomes ready.
pub const WAITING_PATTERNS: usize = 1_000;
/// A request that names no more than these may wait even then.
pub const FEW_NAMES: usize = 16;
