//! What a campaign is. `campaigns/` holds one file for each.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};

use crate::tally::Tally;

/// How long a campaign stays silent about how far it is, at least.
const A_WHILE: Duration = Duration::from_secs(60);

/// A row of the table: all that a new campaign needs besides its file.
pub struct Campaign {
    /// What it is called on the command line.
    pub name: &'static str,
    /// One line for the list.
    pub about: &'static str,
    /// Loops within `cargo xtask test`.
    pub short_loops: u32,
    /// Runs it; an error is a broken promise.
    pub run: fn(&Order) -> Result<Tally>,
}

/// What is asked of a campaign.
pub struct Order {
    /// Its name, which names its scratch folder too.
    pub name: &'static str,
    /// How often to hurt.
    pub loops: u32,
    /// Draws jobs, keys, load and the moments of the faults.
    pub seed: u64,
}

/// Does all loops of an order in rounds of at most `size`, each with a seed of its own.
pub fn rounds(order: &Order, size: u32, round: impl AsyncFn(u64, u32) -> Result<Tally>) -> Result<Tally> {
    let runtime = runtime()?;
    let (mut tally, mut left) = (Tally::default(), order.loops);
    let mut reported_at = Instant::now();
    while left > 0 {
        let loops = left.min(size);
        left -= loops;
        let done = runtime.block_on(round(order.seed.wrapping_add(u64::from(left)), loops))?;
        tally += Tally { loops: loops.into(), ..done };
        if reported_at.elapsed() > A_WHILE {
            println!("{} of {} loops", tally.loops, order.loops);
            reported_at = Instant::now();
        }
    }
    Ok(tally)
}

/// Two threads for the clients beside that of the campaign, which may block.
pub fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
