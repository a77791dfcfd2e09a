//! The simulation, built with optimization: `docs/reliability.md` says what it does.

use std::time::Duration;

use anyhow::Result;

use crate::run::{cargo, run};

/// Operations in each of the two parts of the short form: some ten seconds on two cores.
const SHORT: &str = "2000000";
/// Ends a hang; ten million operations take a fraction of it.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// `cargo xtask sim …`
pub fn command(args: &[&str]) -> Result<()> {
    let mut line = vec!["run", "--release", "--quiet", "--package", "raincheck-sim", "--"];
    line.extend(args);
    run(cargo(&line), LIMIT)
}

/// The short form: worlds that are always the same, then some that nobody has seen.
pub fn short() -> Result<()> {
    command(&["--ops", SHORT, "--seed", "1"])?;
    command(&["--ops", SHORT])
}
