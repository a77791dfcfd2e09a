//! `cargo xtask sim`: worlds of consecutive seeds on all cores, and what happened in them.

use std::cell::Cell;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

fn options() -> Result<Options, String> {
    let mut options = Options { seed: u64::from(rand::random::<u32>()), ops: 10_000_000, world: 100_000, flaw: None };
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        if option == "--help" {
            return Err(String::new());
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
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let worlds = options.ops.div_ceil(options.world);
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    println!("seeds {} to {}, {threads} threads", options.seed, options.seed.wrapping_add(worlds - 1));
    let plain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        plain(panic);
        eprintln!("in the world of seed {}", SEED.get());
    }));
    let start = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sum, failure) = (Mutex::new((0, Tally::default())), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    if world >= worlds {
                        break;
                    }
                    let ops = options.world.min(options.ops - world * options.world);
                    SEED.set(options.seed.wrapping_add(world));
                    match Sim::run(SEED.get(), ops, options.flaw) {
                        Ok((ops, tally)) => {
                            let mut sum = sum.lock().unwrap_or_else(|e| e.into_inner());
                            sum.0 += ops;
                            sum.1.add(&tally);
                        }
                        Err(found) => {
                            stop.store(true, Ordering::Relaxed);
                            failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(found);
                        }
                    }
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    if let Some(failure) = failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
        tell(&failure, &options);
        return ExitCode::FAILURE;
    }
    let (ops, tally) = sum.into_inner().unwrap_or_else(|e| e.into_inner());
    for (what, n) in tally.iter() {
        println!("{n:>12}  {what}");
    }
    println!("{ops} operations in {worlds} worlds, every promise kept; {seconds:.1} s, {:.0}/s", ops as f64 / seconds);
    ExitCode::SUCCESS
}

fn tell(failure: &Failure, options: &Options) {
    println!("a promise was broken in the world of seed {}, at operation {}:", failure.seed, failure.op);
    println!("  {}", failure.violation);
    println!("the last operations of that job:");
    for line in &failure.story {
        println!("{line}");
    }
    let flaw = options.flaw.map(|flaw| format!(" --flaw {flaw}")).unwrap_or_default();
    println!("again: cargo xtask sim --seed {} --ops {} --world {1}{flaw}", failure.seed, options.world);
}
