//! schemathesis against a release server with work going on: what it answers is what its OpenAPI document says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::install;
use crate::live::{Scratch, Server};
use crate::run::{root, run};

/// Long enough to get through all phases on a slow machine.
const SECONDS: u64 = 90;
/// So many requests for one operation, and none of them good, are too many.
const TRIES: u32 = 50;

/// The step of `cargo xtask test`.
pub fn step() -> Result<()> {
    fuzz(SECONDS, draw())
}

/// A seed that nobody chose, small enough to be typed again.
pub fn draw() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), "seed") % 1_000_000_000
}

/// Sends what the document allows and what it does not, for so long.
pub fn fuzz(seconds: u64, seed: u64) -> Result<()> {
    println!("seed {seed}");
    let python = install::python(&ours())?;
    let scratch = Scratch::new("schemathesis")?;
    let config = scratch.path().join("raincheck.toml");
    // A wait may take its time, but here it takes everybody's.
    std::fs::write(&config, "[limits]\nwait = \"200ms\"\n")?;
    let server = Server::start(&scratch, Some(&config))?;
    let seen = scratch.path().join("seen");
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli"])
        .arg("--config-file")
        .arg(ours().join("schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/openapi.json", server.url()));
    command.args([
        "--no-color",
        "--continue-on-failure",
        "--seed",
        &seed.to_string(),
        "--max-time",
        &seconds.to_string(),
    ]);
    command.current_dir(scratch.path()).env("PYTHONDONTWRITEBYTECODE", "1").env("RAINCHECK_SERVER", server.url());
    command.env("SCHEMATHESIS_HOOKS", ours().join("hooks.py"));
    command.env("RAINCHECK_FUZZ_SEED", seed.to_string()).env("RAINCHECK_FUZZ_SEEN", &seen);
    run(command, Duration::from_secs(2 * seconds + 60)).with_context(|| format!("seed {seed}"))?;
    worked(&std::fs::read_to_string(&seen).context("schemathesis left no account of what it saw")?)?;
    server.stop()
}

/// Every operation must have succeeded at least once, or nothing was tried but refusals. One that a busy machine left
/// little time for is not judged.
fn worked(seen: &str) -> Result<()> {
    let mut answers: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
    for line in seen.lines() {
        let (rest, times) = line.rsplit_once(' ').context("a line without a count")?;
        let (operation, status) = rest.rsplit_once(' ').context("a line without a status")?;
        answers.entry(operation).or_default().insert(status, times.parse()?);
    }
    for (operation, statuses) in &answers {
        let shown: Vec<String> = statuses.iter().map(|(status, times)| format!("{status} ({times})")).collect();
        println!("{operation}: {}", shown.join(", "));
    }
    let never = |statuses: &BTreeMap<&str, u32>| {
        statuses.values().sum::<u32>() >= TRIES && !statuses.keys().any(|status| status.starts_with('2'))
    };
    let refused: Vec<&str> = answers.iter().filter(|(_, statuses)| never(statuses)).map(|(name, _)| *name).collect();
    if answers.is_empty() || !refused.is_empty() {
        bail!("nothing but refusals from: {}", refused.join(", "));
    }
    Ok(())
}

fn ours() -> PathBuf {
    root().join("dev/xtask/schemathesis")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_only_refuses_is_named() {
        assert!(worked("get /jobs 200 1\nget /jobs 400 99\nput /jobs/{id} 422 9\n").is_ok());
        let error = worked("get /jobs 200 4\npost /leases/{lease}/fail 404 30\npost /leases/{lease}/fail 422 20\n")
            .expect_err("only refusals");
        assert_eq!(error.to_string(), "nothing but refusals from: post /leases/{lease}/fail");
        assert!(worked("").is_err());
    }
}
