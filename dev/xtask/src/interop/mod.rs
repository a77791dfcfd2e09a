//! Other people's programs, unmodified, against the release binary: each check is a row, with its scripts and the versions
//! of what it needs in `dev/interop/NAME/`.

mod http;
mod prometheus;
mod proxies;

use std::time::Instant;

use anyhow::{Context as _, Result, bail};

struct Check {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<()>,
    /// It waits for most of its time: others go on beside it.
    waits: bool,
}

const CHECKS: &[Check] = &[
    Check {
        name: "http",
        about: "httplint on every route and status; curl with forms, gzip and too much",
        run: http::check,
        waits: false,
    },
    Check {
        name: "prometheus",
        about: "scrapes /metrics, with the alert rules and the board of docs/monitoring",
        run: prometheus::check,
        waits: false,
    },
    Check {
        name: "proxies",
        about: "nginx and HAProxy, with the settings of docs/proxies.md and with none",
        run: proxies::check,
        waits: true,
    },
];

/// All checks: the step of `cargo xtask test`.
pub fn step() -> Result<()> {
    std::thread::scope(|threads| {
        let beside: Vec<_> =
            CHECKS.iter().filter(|check| check.waits).map(|check| threads.spawn(|| go(check))).collect();
        let done = CHECKS.iter().filter(|check| !check.waits).try_for_each(go);
        let waited = beside.into_iter().map(|check| check.join().unwrap_or_else(|_| bail!("a check panicked")));
        done.and(waited.collect::<Vec<_>>().into_iter().collect())
    })
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
