//! Two nodes over a PostgreSQL that crashes or ends its connections under load, while somebody else holds a transaction
//! open. The nodes go on by themselves.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use pgcluster::{Cluster, Settings, Stop};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::campaign::{Order, rounds};
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;

/// Faults before everything is brought to its end and judged.
const FAULTS: u32 = 10;
const NODES: usize = 2;
/// Somebody else's transaction: it has a number, and so holds back whoever waits for all older ones to end.
const FOREIGN: &str = "BEGIN; SELECT pg_current_xact_id(); SELECT pg_sleep(60); COMMIT";

/// Runs rounds of [`FAULTS`].
pub fn run(order: &Order) -> Result<Tally> {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() })?;
    rounds(order, FAULTS, async |seed, faults| {
        let mut rng = StdRng::seed_from_u64(seed);
        let database = cluster.database()?;
        let mut round = Round::new(order.name, seed, Mix::default())?;
        for _ in 0..NODES {
            round.start(&Launch::new(round.folder())?.on(&database.url())).await?;
        }
        thread::scope(|others| {
            for _ in 0..faults {
                // It ends with its connection, at the next fault.
                others.spawn(|| database.run(FOREIGN).err());
                thread::sleep(Duration::from_millis(rng.random_range(300..1_500)));
                if rng.random_ratio(2, 3) {
                    cluster.restart(Stop::Immediate)?;
                } else {
                    ensure!(database.disconnect()? > 0, "nobody was connected");
                }
                round.down();
            }
            Ok(())
        })?;
        round.judge().await
    })
}
