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
/// Most raw inputs over [`INLINE_BYTES`] on their way in at once, and as many results.
pub const UPLOADS: usize = 256;
/// A body that goes to a file brings at least this much in a second, bytes, on average over [`SLOW_MILLIS`].
pub const SLOW_BYTES_PER_SECOND: u64 = 1 << 10;
/// Over how long it is looked whether a body comes too slowly.
pub const SLOW_MILLIS: Millis = 30_000;
/// A connection whose other end takes nothing of an answer for so long is cut.
pub const STALLED_MILLIS: Millis = 60_000;
/// Left free of the disk by submits and their inputs, bytes: the rest serves everything else.
pub const DISK_RESERVE_BYTES: u64 = 64 << 20;
/// Between two looks for half-written payloads that nobody writes any more: far longer than any upload may take for what is
/// written at once.
pub const LITTER_MILLIS: Millis = 3_600_000;
/// Payloads up to this size stand in the database, larger ones in a file, bytes.
pub const INLINE_BYTES: usize = 64 << 10;
/// Largest stream of a job's attempt, bytes.
pub const STREAM_BYTES: u64 = 64 << 20;
/// Largest log of a job, bytes.
pub const LOG_BYTES: u64 = 8 << 20;
/// Each further run of a job may add so much to a log that is full, bytes: its own beginning and end matter most.
pub const LOG_RETRY_BYTES: u64 = 64 << 10;
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
/// Results, failures and reports on a page after which it ends, or inputs of one lease request, bytes.
pub const PAGE_BYTES: usize = 4 << 20;
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
/// A wall clock that is ahead of what was seen before by more than this may be wrong: nothing happens for so long in few
/// stores.
pub const CLOCK_AHEAD_MILLIS: Millis = 30 * 86_400_000;
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
/// How long a large payload that no job refers to is kept aside before it is removed.
pub const ORPHANS_KEPT_MILLIS: Millis = 86_400_000;
/// Priorities run from minus this to this.
pub const PRIORITY: i32 = 100;
/// Head start that one step of priority gives.
pub const PRIORITY_STEP_MILLIS: Millis = 60_000;
/// Largest request head, bytes.
pub const HEADER_BYTES: usize = 32 << 10;
/// Most query parameters of a request.
pub const PARAMETERS: usize = 100;
/// Most connections at once.
pub const CONNECTIONS: usize = 18_000;
/// Most open event streams at once.
pub const STREAMS: usize = 16_000;
/// Of these connections, the last ones are kept for signs of life, ends of runs, cancels and health.
pub const CONNECTIONS_KEPT: usize = 64;
/// Most connections that read with a large buffer, which is twice as large as a head may be.
pub const LARGE_BUFFERS: usize = 256;
/// JSON bodies that have come in and are not dealt with yet, in the whole process, bytes.
pub const BODIES_BYTES: usize = 48 << 20;
/// Of JSON bodies that are no larger than [`SMALL_BODY_BYTES`], bytes.
pub const SMALL_BODIES_BYTES: usize = 16 << 20;
/// A body that is not larger than this finds room beside the large ones, bytes.
pub const SMALL_BODY_BYTES: usize = 64 << 10;
/// JSON up to this size is read where it came in; more of it aside, bytes.
pub const LIGHT_JSON_BYTES: usize = 256 << 10;
/// Answers that are not small and have not been taken yet, in the whole process, bytes.
pub const ANSWERS_BYTES: usize = 32 << 20;
/// An answer that is not larger than this is not counted, bytes.
pub const SMALL_ANSWER_BYTES: usize = 64 << 10;
/// Inputs and other jobs' members that ride on one answer, beside the first, bytes.
pub const RIDING_BYTES: usize = 1 << 20;
/// Most errors named in one answer.
pub const ERRORS: usize = 100;
/// Longest text of an answer that says what is wrong, and longest place, bytes.
pub const DETAIL_BYTES: usize = 1 << 10;
/// Longest lease string that is looked at, bytes.
pub const LEASE_BYTES: usize = 255;
/// Most workers that are remembered.
pub const WORKERS: usize = 10_000;
/// Names of kinds and queues that workers asked for and are remembered with.
pub const WORKER_NAMES: usize = 100_000;
/// Names of kinds and queues in all requests that wait for work.
pub const WAITING_NAMES: usize = 100_000;
/// A request that names no more than these may wait even then.
pub const FEW_NAMES: usize = 16;
/// Watches that read what they have missed at the same time; others wait for their turn, so that many which come at once
/// leave something of the processors to everybody else.
pub const CATCHING_UP: usize = 4;
/// Runs in all heartbeats that wait.
pub const WAITING_BEATS: usize = 50_000;
