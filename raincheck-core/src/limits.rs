//! Every limit and default in one place, each with its unit in its name.

use crate::time::Millis;

/// Longest name of a queue or kind, bytes.
pub const NAME_BYTES: usize = 64;
/// Longest label, bytes.
pub const LABEL_BYTES: usize = 256;
/// Longest idempotency key, bytes.
pub const KEY_BYTES: usize = 255;
/// Most tags on a job.
pub const TAGS: usize = 32;
/// Longest tag name or value, bytes.
pub const TAG_BYTES: usize = 256;
/// Largest JSON body, bytes.
pub const JSON_BODY_BYTES: usize = 1 << 20;
/// Largest body of a batch, bytes.
pub const BATCH_BODY_BYTES: usize = 32 << 20;
/// Largest raw input or result, bytes.
pub const FILE_BYTES: u64 = 1 << 30;
/// Payloads up to this size stand in the database, larger ones in a file, bytes.
pub const INLINE_BYTES: usize = 64 << 10;
/// Largest stream of a job's attempt, bytes.
pub const STREAM_BYTES: u64 = 64 << 20;
/// Largest log of a job, bytes.
pub const LOG_BYTES: u64 = 8 << 20;
/// Largest piece of a stream or log written as one row, bytes.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Largest `data` of a progress report, bytes.
pub const PROGRESS_DATA_BYTES: usize = 4 << 10;
/// Longest message of a progress report, bytes.
pub const PROGRESS_MESSAGE_BYTES: usize = 1 << 10;
/// Least time between two kept progress reports of one job.
pub const PROGRESS_EVERY_MILLIS: Millis = 200;
/// Longest detail of an error a worker reports, bytes; longer ones are cut.
pub const ERROR_DETAIL_BYTES: usize = 64 << 10;
/// Most jobs in a batch.
pub const BATCH_JOBS: usize = 1_000;
/// Most jobs in one lease request.
pub const LEASE_JOBS: usize = 1_000;
/// Most names in one lease request.
pub const LEASE_NAMES: usize = 1_000;
/// Most rows on a page.
pub const PAGE_ROWS: usize = 1_000;
/// Longest wait of a request.
pub const WAIT_MILLIS: Millis = 50_000;
/// Default length of a lease.
pub const TTL_MILLIS: Millis = 30_000;
/// Shortest lease.
pub const TTL_LEAST_MILLIS: Millis = 2_000;
/// Longest lease.
pub const TTL_MOST_MILLIS: Millis = 24 * 3_600_000;
/// Between two signs of life of a server longer than this, it stood still: leases get the gap. Less than the shortest
/// lease has left when its heartbeats come at a third of it.
pub const STANDSTILL_MILLIS: Millis = 1_000;
/// After a start or a standstill no run is judged for this long: what its worker sent meanwhile is heard first.
pub const HEAR_FIRST_MILLIS: Millis = 1_000;
/// Programs of a server that was killed are gone within this.
pub const OWN_RUNS_END_MILLIS: Millis = 2_000;
/// A wall clock that was set back is neared by one part in so many of the time that passes.
pub const CLOCK_NEARS_BY: Millis = 20;
/// A wall clock that is behind what was seen before by more than this is worth a word.
pub const CLOCK_BEHIND_MILLIS: Millis = 10_000;
/// Most waiting jobs in a queue.
pub const QUEUED_PER_QUEUE: u64 = 1_000_000;
/// Most waiting jobs in all.
pub const QUEUED_IN_ALL: u64 = 10_000_000;
/// Most queues.
pub const QUEUES: usize = 10_000;
/// Most kinds.
pub const KINDS: usize = 10_000;
/// Runs lost in a row after which a job is taken for poison.
pub const LOSSES: u32 = 3;
/// Attempts of a job unless it says otherwise.
pub const MAX_ATTEMPTS_DEFAULT: u32 = 5;
/// Most attempts a job may ask for.
pub const MAX_ATTEMPTS: u32 = 1_000;
/// First bound of the wait between attempts.
pub const RETRY_INITIAL_MILLIS: Millis = 1_000;
/// Largest bound of the wait between attempts.
pub const RETRY_MAX_MILLIS: Millis = 10 * 60_000;
/// Time limit of one attempt unless the job says otherwise.
pub const TIMEOUT_MILLIS: Millis = 3_600_000;
/// How long a succeeded job is kept.
pub const KEEP_SUCCEEDED_MILLIS: Millis = 3 * 86_400_000;
/// How long a failed or canceled job is kept.
pub const KEEP_FAILED_MILLIS: Millis = 90 * 86_400_000;
/// How long a purged job still answers 410.
pub const TOMBSTONE_MILLIS: Millis = 30 * 86_400_000;
/// Priorities run from minus this to this.
pub const PRIORITY: i32 = 100;
/// Head start that one step of priority gives.
pub const PRIORITY_STEP_MILLIS: Millis = 60_000;
/// Largest request head, bytes.
pub const HEADER_BYTES: usize = 32 << 10;
/// Most connections at once.
pub const CONNECTIONS: usize = 18_000;
/// Most open event streams at once.
pub const STREAMS: usize = 16_000;
