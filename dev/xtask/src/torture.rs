//! Campaigns that hurt the release binary on purpose; they live in the crate `torture`.

use std::time::Duration;

use anyhow::Result;

use crate::run::{cargo, run};

/// Far above any run: it ends a hang, it does not judge speed.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// `cargo xtask torture …`: builds what is hurt and what hurts it, and passes everything on.
pub fn command(args: &[&str]) -> Result<()> {
    // One by one: together they would be built with each other's features.
    for package in ["raincheck", "powercut", "torture"] {
        run(cargo(&["build", "--release", "--quiet", "-p", package]), LONGEST)?;
    }
    let mut words = vec!["run", "--release", "--quiet", "-p", "torture", "--"];
    words.extend(args);
    run(cargo(&words), LONGEST)
}
