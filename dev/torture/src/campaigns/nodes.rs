//! Three nodes over one PostgreSQL under load; always the one that has run for longest is killed and comes back.

use std::time::Duration;

use anyhow::Result;
use pgcluster::{Cluster, Settings};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::campaign::{Order, rounds};
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;

/// Kills before everything is brought to its end and judged.
const KILLS: u32 = 25;
const NODES: usize = 3;

/// Runs rounds of [`KILLS`].
pub fn run(order: &Order) -> Result<Tally> {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() })?;
    rounds(order, KILLS, async |seed, kills| {
        let mut rng = StdRng::seed_from_u64(seed);
        let database = cluster.database()?;
        let mut round = Round::new(order.name, seed, Mix::default())?;
        for _ in 0..NODES {
            round.start(&Launch::new(round.folder())?.on(&database.url())).await?;
        }
        for _ in 0..kills {
            tokio::time::sleep(Duration::from_millis(rng.random_range(20..500))).await;
            let launch = round.kill()?;
            // For a while the others are alone.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
            round.start(&launch).await?;
        }
        round.judge().await
    })
}
