//! nginx and HAProxy before the server.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::run::{release, root, run, scripts};

/// With the settings of the page about proxies, and with none.
pub fn check() -> Result<()> {
    let mut command = Command::new("python3");
    command.arg("-B").arg(scripts("proxies").join("check.py"));
    command.arg(release("raincheck")).arg(root().join("docs/proxies.md"));
    run(command, Duration::from_secs(300))
}
