//! How a world is: drawn from its seed, so that some worlds are full, some crash all the time, some are calm.

use raincheck_core::{FeedRetention, Millis, Retention};
use rand::RngExt;
use rand::rngs::StdRng;

/// Chances and sizes of one world. Chances are of one in ten thousand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server dies somewhere in a transaction.
    pub crash: u32,
    /// The server dies at the commit, and only the disk knows whether it is there.
    pub unknown_commit: u32,
    /// A transaction is taken back for want of space.
    pub refuse: u32,
    /// An answer does not arrive.
    pub lose_answer: u32,
    /// A caller waits no longer, though its request is still on its way.
    pub give_up: u32,
    /// A worker dies, or stops for so long that others think so.
    pub die: u32,
    /// The wall clock is set.
    pub jump: u32,
    /// Submits with a key, with a chosen id, of `GET` jobs, percent each.
    pub keys: u32,
    /// See `keys`.
    pub ids: u32,
    /// See `keys`.
    pub gets: u32,
    /// Different keys, ids and contents there are.
    pub names: u64,
    /// Most time that passes in one step.
    pub pass: Millis,
    /// Bounds of the store.
    pub max_queued: u64,
    /// See `max_queued`.
    pub max_in_all: u64,
    /// How long purged jobs are remembered.
    pub tombstone: Millis,
    /// How much of the feed stays.
    pub feed: FeedRetention,
    /// Whether it is trimmed.
    pub trims: bool,
    /// How long finished jobs are kept.
    pub retention: Retention,
    /// Submits of jobs that name what follows from their end, percent.
    pub follows: u32,
    /// Most rounds of that in one transaction, and most in all.
    pub rounds: usize,
    /// See `rounds`.
    pub most: usize,
    /// Most running of kind `x`.
    pub kind_cap: Option<u32>,
}

impl Plan {
    /// Draws one.
    pub fn draw(rng: &mut StdRng) -> Self {
        let mut chance = |most: u32| if rng.random_bool(0.25) { 0 } else { rng.random_range(1..=most) };
        let (crash, unknown_commit, refuse) = (chance(60), chance(20), chance(20));
        let (lose_answer, give_up, die, jump) = (chance(300), chance(300), chance(300), chance(100));
        Plan {
            crash,
            unknown_commit,
            refuse,
            lose_answer,
            give_up,
            die,
            jump,
            keys: rng.random_range(0..40),
            ids: rng.random_range(0..20),
            gets: rng.random_range(0..40),
            names: rng.random_range(2..200),
            pass: rng.random_range(20..1_000),
            max_queued: rng.random_range(5..200),
            max_in_all: rng.random_range(20..400),
            tombstone: rng.random_range(1_000..120_000),
            feed: FeedRetention {
                keep: rng.random_range(1_000..120_000),
                max_bytes: if rng.random() { u64::MAX } else { rng.random_range(0..200_000) },
            },
            trims: true,
            retention: Retention { succeeded: rng.random_range(0..60_000), failed: rng.random_range(0..90_000) },
            follows: rng.random_range(0..40),
            rounds: rng.random_range(1..4),
            most: rng.random_range(1..6),
            kind_cap: rng.random_bool(0.5).then(|| rng.random_range(1..6)),
        }
    }
}
