//! What callers send, wait for and are sent.

use crate::time::Millis;

/// Largest JSON body, bytes.
pub const JSON_BODY_BYTES: usize = 1 << 20;
/// Largest body of a batch, bytes.
pub const BATCH_BODY_BYTES: usize = 32 << 20;
/// Largest raw input or result, bytes.
pub const FILE_BYTES: u64 = 1 << 30;
/// Most raw inputs over [`INLINE_BYTES`](super::INLINE_BYTES) on their way in at once, and as many results.
pub const UPLOADS: usize = 256;
/// A body that goes to a file brings at least this much in a second, bytes, on average over [`SLOW_MILLIS`].
pub const SLOW_BYTES_PER_SECOND: u64 = 1 << 10;
/// Over how long it is looked whether a body comes too slowly.
pub const SLOW_MILLIS: Millis = 30_000;
/// A connection whose other end takes nothing of an answer for so long is cut.
pub const STALLED_MILLIS: Millis = 60_000;
/// A connection that is kept open is closed when no further request comes within this; longer than the pauses of workers'
/// heartbeats, so that these do not race with the closing.
pub const IDLE_MILLIS: Millis = 75_000;
/// Most jobs in a batch.
pub const BATCH_JOBS: usize = 1_000;
/// Most jobs in one lease request.
pub const LEASE_JOBS: usize = 1_000;
/// Most rows on a page.
pub const PAGE_ROWS: usize = 1_000;
/// Results, failures and reports on a page after which it ends, or inputs of one lease request, bytes.
pub const PAGE_BYTES: usize = 4 << 20;
/// Inputs of all lease requests that are answered with one transaction, after which each gets one job at most, bytes.
pub const LEASED_BYTES: usize = 16 << 20;
/// Longest wait of a request.
pub const WAIT_MILLIS: Millis = 50_000;
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
/// Watches that read what they have missed at the same time; others wait for their turn, so that many which come at once
/// leave something of the processors to everybody else.
pub const CATCHING_UP: usize = 2;
/// What a watch reads at once of what it has missed, events.
pub const READ_AHEAD_ROWS: usize = 256;
/// What a watch reads at once of what it has missed, bytes: there may be many that go no further. What is larger comes alone.
pub const READ_AHEAD_BYTES: usize = 16 << 10;
/// Events that weigh more than this are not kept for each listener that has not heard them yet, bytes.
pub const LIGHT_EVENT_BYTES: usize = 1 << 10;
/// Of heavier events the latest are kept for all listeners together, bytes; who comes later reads them again.
pub const HEAVY_EVENTS_BYTES: usize = 1 << 20;
/// A stream makes so much more only when the system has taken all that it made before, bytes.
pub const PIECE_BYTES: usize = 16 << 10;
/// What the system takes of an answer before it is on its way, bytes.
pub const UNSENT_BYTES: u32 = 128 << 10;
/// Events that are not small and are on their way to WebSockets, in the whole process, bytes.
pub const SOCKETS_BYTES: usize = 16 << 20;
/// Runs in all heartbeats that wait.
pub const WAITING_BEATS: usize = 50_000;
