//! What is kept, where, and for how long.

use crate::time::Millis;

/// Parts of raw inputs on their way into a bucket, in the whole process, and as much of results, bytes.
pub const PARTS_BYTES: usize = 60 << 20;
/// Left free of the disk by submits and their inputs, bytes: the rest serves everything else.
pub const DISK_RESERVE_BYTES: u64 = 64 << 20;
/// Between two looks for half-written payloads that nobody writes any more: far longer than any upload may take for what is
/// written at once.
pub const LITTER_MILLIS: Millis = 3_600_000;
/// Payloads up to this size stand in the database, larger ones in a file, bytes.
pub const INLINE_BYTES: usize = 64 << 10;
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
/// Most follow-ups in one transaction, which takes about twice as long with them as with its commands alone; what is left
/// over comes in others.
pub const FOLLOW_UPS: usize = 512;
/// Most rounds of follow-ups in one transaction, each of those that the one before it named.
pub const FOLLOW_UP_ROUNDS: usize = 8;
/// How long a succeeded job is kept.
pub const KEEP_SUCCEEDED_MILLIS: Millis = 3 * 86_400_000;
/// How long a failed or canceled job is kept.
pub const KEEP_FAILED_MILLIS: Millis = 90 * 86_400_000;
/// How long a purged job still answers 410.
pub const TOMBSTONE_MILLIS: Millis = 30 * 86_400_000;
/// How long an event stays whose job is forgotten.
pub const FEED_KEEP_MILLIS: Millis = 3 * 86_400_000;
/// Most that events of forgotten jobs take, bytes.
pub const FEED_BYTES: u64 = 2 << 30;
/// What an event takes beside its data, about, bytes.
pub const EVENT_BYTES: u64 = 64;
/// How long no job has referred to a large payload, while a server looks on, before it is moved out of the way.
pub const ORPHANS_MILLIS: Millis = 86_400_000;
/// Between two small steps of the search for those; after a walk through everything it rests for so many of them.
pub const ORPHANS_STEP_MILLIS: Millis = 10_000;
/// See [`ORPHANS_STEP_MILLIS`].
pub const ORPHANS_REST_STEPS: u32 = 360;
/// How long a large payload that no job refers to is kept aside before it is removed.
pub const ORPHANS_KEPT_MILLIS: Millis = 86_400_000;
