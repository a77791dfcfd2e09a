//! Three nodes over one PostgreSQL under load, restarted one after the other with SIGTERM, as for a new version: the next
//! goes when the last is ready again. Clients that send again what found no server there are all answered.

use std::time::Duration;

use anyhow::{Result, ensure};
use pgcluster::{Cluster, Settings};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::campaign::{Order, rounds};
use crate::load::Mix;
use crate::round::{Restart, Round};
use crate::server::Launch;
use crate::tally::Tally;

/// Restarts before everything is brought to its end and judged.
const RESTARTS: u32 = 30;
const NODES: usize = 3;

/// Runs rounds of [`RESTARTS`].
pub fn run(order: &Order) -> Result<Tally> {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() })?;
    rounds(order, RESTARTS, async |seed, restarts| {
        let mut rng = StdRng::seed_from_u64(seed);
        let database = cluster.database()?;
        let mut round = Round::new(order.name, seed, Mix { patient: true, ..Mix::default() })?;
        for _ in 0..NODES {
            round.start(&Launch::new(round.folder())?.on(&database.url())).await?;
        }
        let mut took = Vec::new();
        for _ in 0..restarts {
            tokio::time::sleep(Duration::from_millis(rng.random_range(20..500))).await;
            took.push(round.restart()?);
        }
        let log = round.log.clone();
        let tally = round.judge().await?;
        let repeated = log.read(|records| records.repeated);
        // Every client knows of all nodes: without one the campaign has missed what it is for.
        ensure!(repeated > 0, "no request met a node that was being restarted");
        let longest = |part: fn(&Restart) -> Duration| took.iter().map(part).max().unwrap_or_default().as_secs_f64();
        let note = format!(
            "{repeated} requests were sent again until they were answered, none failed; a node was gone at most {:.2} s \
             after SIGTERM and ready at most {:.2} s after its start",
            longest(|it| it.ended_in),
            longest(|it| it.ready_in),
        );
        Ok(Tally { notes: vec![note], ..tally })
    })
}
