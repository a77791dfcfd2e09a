//! Runs: their leases, their attempts and what they write.

use crate::time::Millis;

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
/// Runs lost in a row after which a job is taken for poison, unless it says otherwise.
pub const MAX_LOSSES_DEFAULT: u32 = 3;
/// Most that a job may ask for.
pub const MAX_LOSSES: u32 = 1_000;
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
/// Longest duration taken anywhere: ten years.
pub const DURATION_MILLIS: Millis = 10 * 365 * 86_400_000;
/// Farthest time to come that is taken anywhere: a hundred years from now.
pub const MOMENT_MILLIS: Millis = 100 * 365 * 86_400_000;
/// Priorities run from minus this to this.
pub const PRIORITY: i32 = 100;
/// Head start that one step of priority gives.
pub const PRIORITY_STEP_MILLIS: Millis = 60_000;
