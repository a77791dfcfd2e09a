//! One node over PostgreSQL under uploads of large payloads falls silent: it is stopped, or its network swallows
//! everything. Another starts when it counts as dead, and sweeps what no job refers to; then the first goes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use pgcluster::{Cluster, Proxy, Settings};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Signal, kill_process};

use crate::campaign::{Order, rounds};
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;

/// Silences before everything is brought to its end and judged.
const SILENCES: u32 = 8;
/// A minute goes by, in which nobody was seen.
const A_MINUTE: &str = "UPDATE node SET seen_at = seen_at - 61000";
const SERVE: &str = "SELECT count(*) FROM node";

/// Runs rounds of [`SILENCES`].
pub fn run(order: &Order) -> Result<Tally> {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() })?;
    rounds(order, SILENCES, async |seed, silences| {
        let mut rng = StdRng::seed_from_u64(seed);
        let database = cluster.database()?;
        let mut round = Round::new(order.name, seed, Mix { files: 100, ..Mix::default() })?;
        let mut proxy = Proxy::to(cluster.port())?;
        round.start(&Launch::new(round.folder())?.on(&proxy.url(database.name()))).await?;
        for _ in 0..silences {
            tokio::time::sleep(Duration::from_millis(rng.random_range(300..1_500))).await;
            let (is_stopped, pid) = (rng.random_ratio(1, 3), round.server()?.pid()?);
            if is_stopped {
                kill_process(pid, Signal::STOP)?;
            } else {
                proxy.freeze();
                // What is being uploaded comes as far as it can.
                tokio::time::sleep(Duration::from_millis(rng.random_range(50..1_000))).await;
            }
            database.run(A_MINUTE)?;
            let next = Proxy::to(cluster.port())?;
            round.start(&Launch::new(round.folder())?.on(&next.url(database.name()))).await?;
            ensure!(database.run(SERVE)? == "1", "the silent node still counts as alive");
            if is_stopped {
                kill_process(pid, Signal::CONT)?;
            } else {
                proxy.thaw();
            }
            round.down();
            // For a while both serve.
            tokio::time::sleep(Duration::from_millis(rng.random_range(500..3_000))).await;
            round.kill()?;
            proxy = next;
        }
        round.judge().await
    })
}
