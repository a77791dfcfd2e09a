//! kill -9 under load, restart, again; the clients carry on across every kill.

use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::campaign::Order;
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;

/// Kills before everything is brought to its end and judged.
const KILLS: u32 = 25;

/// Runs rounds of [`KILLS`] until all loops are done.
pub fn run(order: &Order) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut tally = Tally::default();
    let mut left = order.loops;
    while left > 0 {
        let kills = left.min(KILLS);
        left -= kills;
        tally += runtime.block_on(round(order, order.seed.wrapping_add(u64::from(left)), kills))?;
    }
    Ok(tally)
}

async fn round(order: &Order, seed: u64, kills: u32) -> Result<Tally> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut round = Round::new(order.name, seed, Mix::default())?;
    let launch = Launch::new(round.folder())?;
    for _ in 0..kills {
        round.start(&launch).await?;
        // The moment is what varies.
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..500))).await;
        round.kill()?;
    }
    round.start(&launch).await?;
    Ok(Tally { loops: kills.into(), ..round.judge().await? })
}
