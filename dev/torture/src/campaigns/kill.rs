//! kill -9 under load, restart, again; the clients carry on across every kill.

use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::campaign::{Order, rounds};
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;

/// Kills before everything is brought to its end and judged.
const KILLS: u32 = 25;

/// Runs rounds of [`KILLS`].
pub fn run(order: &Order) -> Result<Tally> {
    rounds(order, KILLS, async |seed, kills| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut round = Round::new(order.name, seed, Mix::default())?;
        let launch = Launch::new(round.folder())?;
        round.start(&launch).await?;
        for _ in 0..kills {
            // The moment is what varies.
            tokio::time::sleep(Duration::from_millis(rng.random_range(20..500))).await;
            let launch = round.kill()?;
            round.start(&launch).await?;
        }
        round.judge().await
    })
}
