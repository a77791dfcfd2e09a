//! `cargo xtask fuzz`: the targets of the crates' tests, and the server's two, for as long as you like.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, run};
use crate::schemathesis;

/// Crates with targets: tests in a module named `fuzz`.
const CRATES: &[&str] =
    &["raincheck-core", "raincheck-store", "raincheck-engine", "raincheck-client", "raincheck-http", "raincheck"];
/// The target that needs the release binary.
const SCHEMA: &str = "schemathesis";

/// `cargo xtask fuzz [TARGET] [--seconds N] [--seed N]`; a target by any part of its name, `list` for all names.
pub fn command(args: &[&str]) -> Result<()> {
    let (target, mut options) = match args {
        [target, rest @ ..] if !target.starts_with("--") => (*target, rest),
        _ => ("", args),
    };
    let (mut seconds, mut seed) = (60, schemathesis::draw());
    while let [option, value, rest @ ..] = options {
        let number = value.parse::<u64>().with_context(|| format!("{option} takes a number"))?;
        match *option {
            "--seconds" => seconds = number,
            "--seed" => seed = number,
            other => bail!("unknown option {other}"),
        }
        options = rest;
    }
    if let [stray] = options {
        bail!("{stray} needs a value");
    }
    let targets = targets(if target == "list" { "" } else { target })?;
    if target == "list" {
        targets.iter().for_each(|(package, name)| println!("{package} {name}"));
        return Ok(());
    }
    let schema = SCHEMA.contains(target);
    if targets.is_empty() && !schema {
        bail!("no target `{target}`; `cargo xtask fuzz list` names them");
    }
    for (package, name) in &targets {
        let mut command = cargo(&["test", "--quiet", "-p", package, "--", "--exact", name, "--nocapture"]);
        command.env("RAINCHECK_FUZZ_SECONDS", seconds.to_string()).env("RAINCHECK_FUZZ_SEED", seed.to_string());
        run(command, Duration::from_secs(seconds + 20 * 60)).with_context(|| format!("{name}, seed {seed}"))?;
    }
    if schema {
        run(cargo(&["build", "--release", "-p", "raincheck"]), Duration::from_secs(40 * 60))?;
        schemathesis::fuzz(seconds, seed)?;
    }
    println!("{} targets, {seconds} s each, seed {seed}", targets.len() + usize::from(schema));
    Ok(())
}

/// Crate and full name of each target whose name has `part` in it.
fn targets(part: &str) -> Result<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    for package in CRATES {
        let mut command = cargo(&["test", "--quiet", "-p", package, "--", "--list", "--format", "terse"]);
        let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
        if !output.status.success() {
            bail!("{package}: its tests cannot be listed");
        }
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        let names = list.lines().filter_map(|line| line.strip_suffix(": test")).filter(|name| is_target(name, part));
        found.extend(names.map(|name| (*package, name.to_owned())));
    }
    Ok(found)
}

fn is_target(name: &str, part: &str) -> bool {
    name.rsplit_once("::").is_some_and(|(modules, _)| modules.split("::").any(|module| module == "fuzz"))
        && name.contains(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_test_in_a_module_named_fuzz() {
        assert!(is_target("fuzz::duration", "") && is_target("http::wire::fuzz::new_job", "job"));
        assert!(!is_target("http::wire::fuzzy::new_job", "") && !is_target("fuzz", "") && !is_target("fuzz::a", "b"));
    }
}
