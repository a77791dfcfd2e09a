//! The steps of `cargo xtask test` and `cargo xtask quick`, in order; the first failure ends the run.
//! A step is never skipped: what it needs is installed or named by the first step.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::run::{LONG, S3, cargo, root, run};
use crate::{interop, live, quick, schemathesis, sim, tidy, tools, torture};

struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "tools", run: tools::ensure },
    Step { name: "format", run: || run(cargo(&["fmt", "--all", "--check"]), MINUTE) },
    Step {
        name: "clippy",
        run: || run(cargo(&["clippy", "--workspace", "--all-targets", S3, "--", "-D", "warnings"]), LONG),
    },
    Step { name: "docs", run: docs },
    Step { name: "tidy", run: || tidy::check(&root()) },
    Step { name: "figures", run: figures },
    Step { name: "tests", run: tests },
    Step { name: "simulation", run: sim::short },
    Step { name: "release build", run: release_build },
    Step { name: "without S3", run: live::without_s3 },
    Step { name: "race", run: race },
    Step { name: "demo", run: live::demo },
    Step { name: "examples", run: live::examples },
    Step { name: "video example", run: live::video },
    Step { name: "other programs", run: interop::step },
    Step { name: "schemathesis", run: schemathesis::step },
    Step { name: "torture", run: torture::short },
];

/// What shows most faults while one writes: nothing that needs a server, a browser or a release build.
const QUICK: &[Step] = &[
    Step { name: "format", run: || run(cargo(&["fmt", "--all", "--check"]), MINUTE) },
    Step { name: "tidy", run: || tidy::check(&root()) },
    Step {
        name: "clippy",
        run: || run(cargo(&["clippy", "--workspace", "--all-targets", S3, "--", "-D", "warnings"]), LONG),
    },
    Step { name: "tests", run: quick::tests },
];

const MINUTE: Duration = Duration::from_secs(60);

/// Everything.
pub fn test() -> Result<()> {
    go(STEPS)
}

/// The quick ones.
pub fn quick() -> Result<()> {
    go(QUICK)
}

fn go(steps: &[Step]) -> Result<()> {
    let total = steps.len();
    let begin = Instant::now();
    let mut passed = 0;
    for Step { name, run } in steps {
        println!("\n[{}/{total}] {name}", passed + 1);
        let start = Instant::now();
        let done = run();
        let seconds = start.elapsed().as_secs_f64();
        if let Err(error) = done {
            println!("[{}/{total}] {name}: FAILED after {seconds:.1} s", passed + 1);
            println!("{passed} passed, 1 failed");
            return Err(error.context(format!("step `{name}`")));
        }
        passed += 1;
        println!("[{passed}/{total}] {name}: ok in {seconds:.1} s");
    }
    println!("\nall in {:.0} s", begin.elapsed().as_secs_f64());
    println!("{passed} passed, 0 failed");
    Ok(())
}

/// Most tests wait for servers and timers for longer than they compute: two for each core.
fn tests() -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let mut command = cargo(&["test", "--workspace", S3]);
    command.env("RUST_TEST_THREADS", (2 * cores).to_string());
    run(command, LONG)
}

/// The program as most have it; then what measures and what hurts it, which together ask for the program's own features of
/// what they share: tokio and all that stands on it are compiled once.
fn release_build() -> Result<()> {
    run(cargo(&["build", "--release", "-p", "raincheck"]), LONG)?;
    run(cargo(&["build", "--release", "-p", "raincheck-bench", "-p", "powercut", "-p", "torture"]), LONG)
}

/// The benchmarks page says what the recorded results say. No peer is needed for that.
fn figures() -> Result<()> {
    for args in [&["dev/bench/peers/lib/test_report.py"][..], &["dev/bench/peers/report", "--check"]] {
        let mut command = Command::new("python3");
        command.arg("-B").args(args).current_dir(root());
        run(command, MINUTE)?;
    }
    Ok(())
}

/// The race still reads the figures of the bench. No peer is needed for that either.
fn race() -> Result<()> {
    let mut command = Command::new("python3");
    command.args(["dev/bench/peers/run", "raincheck", "--measures", "submit-1,bulk,drain,latency"]);
    command.args(["--seconds", "0.2", "--rounds", "1", "--output", "target/race.json"]).current_dir(root());
    run(command, 5 * MINUTE)
}

fn docs() -> Result<()> {
    let mut command: Command = cargo(&["doc", "--workspace", "--no-deps", S3]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    run(command, LONG)
}
