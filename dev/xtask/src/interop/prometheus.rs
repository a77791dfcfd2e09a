//! Prometheus scrapes a server that works; what is shipped for it is tried on what it scraped.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::install;
use crate::live::{Scratch, Server};
use crate::run::{release, root, run, scripts};

/// Kinds of the settings file have counters from the start.
const CONFIG: &str = "[kinds.\"shop.settings\"]\nrun = [\"cat\"]\n";

/// The alert rules by their unit tests, then rules and board against a real scrape.
pub fn check() -> Result<()> {
    let (ours, shipped) = (scripts("prometheus"), root().join("docs/monitoring"));
    promtool(&["check", "rules"], &shipped.join("alerts.yml"))?;
    promtool(&["test", "rules"], &ours.join("alerts.test.yml"))?;
    let python = install::python(&ours)?;
    let scratch = Scratch::new("prometheus")?;
    let config = scratch.path().join("raincheck.toml");
    std::fs::write(&config, CONFIG)?;
    let server = Server::start(&scratch, Some(&config))?;
    let mut scrape = Command::new(python);
    scrape.arg(ours.join("scrape.py")).current_dir(scratch.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    scrape.env("RAINCHECK", release("raincheck")).env("RAINCHECK_SERVER", server.url()).env("SHIPPED", shipped);
    run(scrape, Duration::from_secs(120))?;
    server.stop()
}

fn promtool(what: &[&str], file: &std::path::Path) -> Result<()> {
    let mut command = Command::new("promtool");
    command.args(what).arg(file);
    run(command, Duration::from_secs(60))
}
