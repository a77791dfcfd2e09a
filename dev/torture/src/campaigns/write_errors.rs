//! A disk that fails: the k-th write or sync of a thread of the server ends with EIO or ENOSPC (injected by strace),
//! once or from then on. The server may stop or refuse. What it acknowledged before and after must be on the disk: so
//! it runs under the shim `powercut` too, for which a failed sync is none, and each point ends with a power cut.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::campaign::{Order, rounds};
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::shim::Shim;
use crate::sim_disk::Cut;
use crate::tally::Tally;

/// Points before everything is brought to its end and judged.
const POINTS: u32 = 10;

/// How often the server did what.
#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    /// It did not get ready.
    unready: u32,
    /// It stopped under load.
    stopped: u32,
    /// It went on.
    lived: u32,
}

/// Runs rounds of [`POINTS`].
pub fn run(order: &Order) -> Result<Tally> {
    let outcomes = std::cell::Cell::new(Outcomes::default());
    let mut tally = rounds(order, POINTS, async |seed, points| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut round = Round::new(order.name, seed, Mix::default())?;
        let plain = Launch::new(round.folder())?;
        let mut shim = Shim::new(&plain);
        round.start(&plain.clone().envs(shim.environment()?)).await?;
        round.kill()?;
        shim.cut(Cut::Nothing, &mut rng)?;
        for _ in 0..points {
            let mut counts = outcomes.get();
            point(&mut round, &plain, &mut shim, &mut rng, &mut counts).await?;
            outcomes.set(counts);
        }
        round.start(&plain).await?;
        round.judge().await
    })?;
    // Kills before the first point and after unreached ones do not count.
    tally.faults = tally.loops;
    let Outcomes { unready, stopped, lived } = outcomes.get();
    tally
        .notes
        .push(format!("the server did not start {unready} times, stopped {stopped} times, went on {lived} times"));
    Ok(tally)
}

async fn point(
    round: &mut Round,
    plain: &Launch,
    shim: &mut Shim,
    rng: &mut StdRng,
    outcomes: &mut Outcomes,
) -> Result<()> {
    let (call, most) = [("pwrite64", 300), ("fsync,fdatasync", 60)][rng.random_range(0..2)];
    let error = ["EIO", "ENOSPC"][rng.random_range(0..2)];
    let on = ["", "+"][rng.random_range(0..2)];
    // Early ones are rarer than late ones and tell more: drawn evenly over the magnitudes.
    let mut nth = f64::from(most).powf(rng.random::<f64>()) as u32;
    let trace = round.folder().join("trace");
    loop {
        let inject = format!("inject={call}:error={error}:when={nth}{on}");
        let ended = run_until_hurt(round, &plain.clone().under(strace(shim, call, &inject, &trace)?), rng).await?;
        shim.cut(Cut::Nothing, rng)?;
        // Threads begin to write only as the load comes; a slow machine may not get as far.
        if std::fs::read_to_string(&trace)?.contains("(INJECTED)") {
            match ended {
                None => outcomes.unready += 1,
                Some(true) => outcomes.stopped += 1,
                Some(false) => outcomes.lived += 1,
            }
            return Ok(());
        }
        ensure!(nth > 1 && ended.is_some(), "{inject} was never reached");
        nth /= 2;
    }
}

/// Whether it stopped under the load; none when it did not even start.
async fn run_until_hurt(round: &mut Round, launch: &Launch, rng: &mut StdRng) -> Result<Option<bool>> {
    if !round.try_start(launch).await? {
        round.down();
        return Ok(None);
    }
    let load = Duration::from_millis(rng.random_range(300..700));
    let stopped = round.server()?.exited(load)?.is_some();
    round.kill()?;
    Ok(Some(stopped))
}

fn strace(shim: &Shim, call: &str, inject: &str, trace: &Path) -> Result<Vec<OsString>> {
    let trace_call = format!("trace={call}");
    let words = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", &trace_call, "-e", inject, "-o"];
    let mut words: Vec<OsString> = words.map(OsString::from).into();
    words.push(trace.into());
    for (name, value) in shim.environment()? {
        // Only for the server, not for strace.
        let mut pair = OsString::from(name);
        pair.push("=");
        pair.push(value);
        words.extend(["-E".into(), pair]);
    }
    Ok(words)
}
