//! `cargo xtask sim`: worlds of consecutive seeds on all cores, and what happened in them.

use std::cell::Cell;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use raincheck_sim::{Failure, Flaw, Sim, Tally};

const USAGE: &str = "\
usage: cargo xtask sim [--seed N] [--ops N] [--world N] [--flaw NAME]

  --seed N     seed of the first world; those after it have the next ones; without it, a fresh one
  --ops N      operations in all, 10,000,000 if not said
  --world N    operations in one world, 100,000 if not said
  --flaw NAME  the simulated store does this one thing wrong: the simulation must say so";

thread_local! {
    /// Of the world that this thread is in.
    static SEED: Cell<u64> = const { Cell::new(0) };
}

struct Options {
    seed: u64,
    ops: u64,
    world: u64,
    flaw: Option<Flaw>,
}

/// `None` is a call for help.
fn options() -> Result<Option<Options>, String> {
    let mut options = Options { seed: u64::from(rand::random::<u32>()), ops: 10_000_000, world: 100_000, flaw: None };
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        if option == "--help" {
            return Ok(None);
        }
        let value = args.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.replace([',', '_'], "").parse().map_err(|_| format!("{option} takes a number"));
        match &*option {
            "--seed" => options.seed = number()?,
            "--ops" => options.ops = number()?.max(1),
            "--world" => options.world = number()?.max(1),
            "--flaw" => options.flaw = Some(value.parse()?),
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let plain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        plain(panic);
        eprintln!("in the world of seed {}", SEED.get());
    }));
    let start = Instant::now();
    let done = worlds(&options);
    let seconds = start.elapsed().as_secs_f64();
    match done {
        Ok((ops, tally)) => {
            for (what, n) in tally.iter() {
                println!("{n:>12}  {what}");
            }
            println!("{ops} operations, every promise kept; {seconds:.1} s, {:.0}/s", ops as f64 / seconds);
            ExitCode::SUCCESS
        }
        Err((ops, failure)) => {
            tell(ops, &failure, options.flaw);
            ExitCode::FAILURE
        }
    }
}

/// Runs world after world on every core; answers operations and counts, or how long the first bad world was to be and
/// what went wrong in it.
fn worlds(options: &Options) -> Result<(u64, Tally), (u64, Box<Failure>)> {
    let worlds = options.ops.div_ceil(options.world);
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    println!("seeds {} to {}, {threads} threads", options.seed, options.seed.wrapping_add(worlds - 1));
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Ok((0, Tally::default())));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    if world >= worlds || sum.lock().unwrap_or_else(|e| e.into_inner()).is_err() {
                        break;
                    }
                    let ops = options.world.min(options.ops - world * options.world);
                    SEED.set(options.seed.wrapping_add(world));
                    let done = Sim::run(SEED.get(), ops, options.flaw);
                    let mut sum = sum.lock().unwrap_or_else(|e| e.into_inner());
                    match (&mut *sum, done) {
                        (Ok((ops, tally)), Ok((more, met))) => {
                            *ops += more;
                            tally.add(&met);
                        }
                        (Ok(_), Err(failure)) => *sum = Err((ops, failure)),
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(|e| e.into_inner())
}

fn tell(ops: u64, failure: &Failure, flaw: Option<Flaw>) {
    println!("a promise was broken in the world of seed {}, at operation {}:", failure.seed, failure.op);
    println!("  {}", failure.violation);
    println!("the last operations of that job:");
    for line in &failure.story {
        println!("{line}");
    }
    let flaw = flaw.map(|flaw| format!(" --flaw {flaw}")).unwrap_or_default();
    println!("again: cargo xtask sim --seed {} --ops {ops} --world {ops}{flaw}", failure.seed);
}
