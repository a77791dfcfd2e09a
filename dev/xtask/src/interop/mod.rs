//! Other people's programs, unmodified, against the release binary: each check is a row, with its scripts and the versions
//! of what it needs in `dev/interop/NAME/`.

mod http;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::run::root;

struct Check {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<()>,
}

const CHECKS: &[Check] = &[Check {
    name: "http",
    about: "httplint on every route and status; curl with forms, gzip and too much",
    run: http::check,
}];

/// All checks: the step of `cargo xtask test`.
pub fn step() -> Result<()> {
    CHECKS.iter().try_for_each(go)
}

/// `cargo xtask interop [NAME…]`.
pub fn command(names: &[&str]) -> Result<()> {
    if names.is_empty() {
        CHECKS.iter().for_each(|check| println!("{:12} {}", check.name, check.about));
        return Ok(());
    }
    names.iter().try_for_each(|name| match CHECKS.iter().find(|check| check.name == *name) {
        Some(check) => go(check),
        None => bail!("there is no check `{name}`; `cargo xtask interop` lists them"),
    })
}

fn go(check: &Check) -> Result<()> {
    let start = Instant::now();
    (check.run)().with_context(|| format!("{}: {}", check.name, check.about))?;
    println!("{}: ok in {:.1} s", check.name, start.elapsed().as_secs_f64());
    Ok(())
}

/// Where a check has its scripts.
fn folder(name: &str) -> PathBuf {
    root().join("dev/interop").join(name)
}
