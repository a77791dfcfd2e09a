//! What `cargo xtask test` needs besides Rust: installed by apt when root, else named with the command to run.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::run::run;

/// One row a program: its name on the PATH, its Debian packages, what it is for.
const TOOLS: &[(&str, &str, &str)] = &[
    ("cc", "build-essential", "compiles SQLite"),
    ("curl", "curl", "drives the server in the examples"),
    ("python3", "python3", "Python worker, web page of the video example, the benchmarks page"),
    ("node", "nodejs", "Node worker, browser test"),
    ("npm", "npm", "fetches playwright-core for the browser test"),
    ("chromium", "chromium", "browser test"),
    ("ffmpeg", "ffmpeg", "video example"),
    ("ffprobe", "ffmpeg", "video example"),
    ("faketime", "faketime", "wall clock that jumps"),
    ("haproxy", "haproxy", "stands before several nodes"),
    ("nginx", "nginx-light", "stands before a server"),
    ("pgbouncer", "pgbouncer", "stands before PostgreSQL"),
    ("strace", "strace", "write errors made on purpose"),
    ("prometheus", "prometheus", "scrapes the metrics"),
    ("promtool", "prometheus", "checks metrics and alert rules"),
];

const VENV: &(&str, &str, &str) = &("python3 -m venv", "python3-venv", "holds schemathesis");

const POSTGRES: &(&str, &str, &str) = &("postgres", "postgresql", "tests of the store on PostgreSQL, 14 or newer");

const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Makes sure that every tool is there, or fails with the list of those that are not.
pub fn ensure() -> Result<()> {
    for (subcommand, component) in COMPONENTS {
        if !answers("cargo", &[subcommand, "--version"]) {
            if find("rustup").is_none() {
                bail!("`cargo {subcommand}` is missing; install your toolchain's {component}");
            }
            let mut rustup = Command::new("rustup");
            rustup.args(["component", "add", component]);
            run(rustup, Duration::from_secs(300))?;
        }
    }
    let mut missing = missing();
    if !missing.is_empty() && find("apt-get").is_some() && is_root() {
        println!("installing: {}", packages(&missing).join(" "));
        run(apt(&["update"]), Duration::from_secs(300))?;
        let mut args = vec!["install", "-y", "--no-install-recommends"];
        args.extend(packages(&missing));
        run(apt(&args), Duration::from_secs(900))?;
        missing = self::missing();
    }
    if missing.is_empty() {
        println!("all {} tools found", TOOLS.len() + COMPONENTS.len() + 2);
        return Ok(());
    }
    let lines: Vec<String> = missing.iter().map(|(program, _, why)| format!("  {program}: {why}")).collect();
    bail!(
        "missing tools:\n{}\ninstall them and run again, on Debian or Ubuntu by:\n  sudo apt-get install -y {}",
        lines.join("\n"),
        packages(&missing).join(" ")
    )
}

/// The program's file, if it is on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn missing() -> Vec<&'static (&'static str, &'static str, &'static str)> {
    let programs = TOOLS.iter().filter(|(program, ..)| find(program).is_none());
    // Debian packs this part of Python apart; without Python its row above says enough.
    let venv = find("python3").is_some() && !answers("python3", &["-c", "import ensurepip, venv"]);
    let postgres = !has_postgres();
    programs.chain(Some(VENV).filter(|_| venv)).chain(Some(POSTGRES).filter(|_| postgres)).collect()
}

/// Debian keeps the server's programs off the PATH, in a folder for each version.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|path| path.is_file()) || find("initdb").is_some()
}

fn packages(missing: &[&(&'static str, &'static str, &'static str)]) -> Vec<&'static str> {
    let mut names: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    names.dedup();
    names
}

fn apt(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn answers(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_once() {
        let both: Vec<_> = TOOLS.iter().filter(|(_, package, _)| *package == "ffmpeg").collect();
        assert_eq!(both.len(), 2);
        assert_eq!(packages(&both), ["ffmpeg"]);
    }

    #[test]
    fn find_looks_along_the_path() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }
}
