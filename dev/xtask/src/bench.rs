//! All that Raincheck is held to, measured on this machine by the crate in `dev/bench`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::run::{cargo, release};

/// What is measured, and what measures it.
const PACKAGES: [&str; 2] = ["raincheck", "raincheck-bench"];

/// `cargo xtask bench …`: builds both and passes everything on; standard output is the bench's alone.
pub fn command(args: &[&str]) -> Result<()> {
    let status = built()?.args(args).status().context("cannot start the bench")?;
    ensure!(status.success(), "the bench ended with {status}");
    Ok(())
}

/// The bench, built with what it measures.
pub fn built() -> Result<Command> {
    // One by one: together they would be built with each other's features.
    for package in PACKAGES {
        let status = cargo(&["build", "--release", "-p", package]).status().context("cannot start cargo")?;
        ensure!(status.success(), "{package} could not be built");
    }
    Ok(Command::new(release("raincheck-bench")))
}
