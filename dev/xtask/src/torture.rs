//! Campaigns that hurt the release binary on purpose; they live in the crate `torture`.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::run::{cargo, release, root, run};

/// Far above any run: it ends a hang, it does not judge speed.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// `cargo xtask torture …`: builds what is hurt and what hurts it, and passes everything on.
pub fn command(args: &[&str]) -> Result<()> {
    // One by one: together they would be built with each other's features.
    for package in ["raincheck", "powercut", "torture"] {
        run(cargo(&["build", "--release", "--quiet", "-p", package]), LONGEST)?;
    }
    go(args)
}

/// The short form, of what is built already.
pub fn short() -> Result<()> {
    go(&["--short"])
}

fn go(args: &[&str]) -> Result<()> {
    let mut torture = Command::new(release("torture"));
    torture.args(args).current_dir(root());
    run(torture, LONGEST)
}
