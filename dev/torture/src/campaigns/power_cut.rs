//! A power cut at the level of files: the server runs under the shim `powercut`, is killed under load, and finds a
//! disk that holds what it had synced, and of the rest whatever the seed leaves.
//!
//! An acknowledgement reaches a client after the sync that it waited for has reached the record, so all that were
//! heard before the kill must hold. The last round proves that this would see a loss: with the commits' syncs of the
//! log left out, as `synchronous=NORMAL` leaves them out, acknowledged jobs must be missing.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::campaign::{Order, rounds, runtime};
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::shim::Shim;
use crate::sim_disk::{Cut, Seen};
use crate::tally::Tally;

/// Cuts before everything is brought to its end and judged.
const CUTS: u32 = 10;
/// Cuts of the round that must lose.
const LOSSY: u32 = 3;

/// Runs rounds of [`CUTS`], then one that must lose.
pub fn run(order: &Order) -> Result<Tally> {
    let seen = std::cell::Cell::new(Seen::default());
    let mut tally = rounds(order, CUTS, async |seed, cuts| {
        let (round, more) = cut(order, seed, cuts, None).await?;
        seen.set(seen.get() + more);
        round.judge().await
    })?;
    let (lossy, complaints) = runtime()?.block_on(async {
        // The thread that commits.
        let (round, _) = cut(order, order.seed, LOSSY, Some("store-writer")).await?;
        let folder = round.folder().to_owned();
        let judged = round.judge_all().await?;
        std::fs::remove_dir_all(folder)?;
        Ok::<_, anyhow::Error>(judged)
    })?;
    ensure!(lossy.lost > 0, "without the commits' syncs nothing was lost, so this sees no loss: {complaints:?}");
    let Seen { syncs, unsynced } = seen.get();
    tally.notes.push(format!("{syncs} syncs held, {unsynced} writes were not synced when the power went"));
    tally.notes.push(format!("without the commits' syncs {LOSSY} cuts lost {} things, as they must", lossy.lost));
    Ok(tally)
}

async fn cut(order: &Order, seed: u64, cuts: u32, leave_out: Option<&str>) -> Result<(Round, Seen)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut round = Round::new(order.name, seed, Mix::default())?;
    let plain = Launch::new(round.folder())?;
    let mut shim = Shim::new(&plain);
    let mut launch = plain.clone().envs(shim.environment()?);
    if let Some(thread) = leave_out {
        launch = launch.env("POWERCUT_NO_LOG_SYNC", thread);
    }
    for _ in 0..cuts {
        round.start(&launch).await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..500))).await;
        round.kill()?;
        let kind = if leave_out.is_some() { Cut::Nothing } else { Cut::draw(&mut rng) };
        shim.cut(kind, &mut rng)?;
    }
    round.start(&plain).await?;
    Ok((round, shim.sim_disk.seen))
}
