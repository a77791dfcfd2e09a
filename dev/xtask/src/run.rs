//! Runs a program with a time limit; a program that outlives it is killed with all its descendants.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Lint and tests see the program with all that it may have; it is built for release as most have it.
pub const S3: &str = "--features=raincheck/s3";
/// Far above what a step takes from cold on two cores: it ends a hang, it does not judge speed.
pub const LONG: Duration = Duration::from_secs(40 * 60);

/// The repository's root: this crate lies two folders below it.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// Where a check of `cargo xtask interop` has its scripts.
pub fn scripts(check: &str) -> PathBuf {
    root().join("dev/interop").join(check)
}

/// `cargo` with these arguments, in the repository's root.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// A release binary, where this build's `cargo` puts it.
pub fn release(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(target).join("release").join(name)
}

/// Runs `command` with its output shown; an error unless it ends with 0 within `limit`.
pub fn run(mut command: Command, limit: Duration) -> Result<()> {
    let line = describe(&command);
    println!("$ {line}");
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start `{line}`"))?;
    match wait(&mut child, limit)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("`{line}` ended with {status}"),
        None => bail!("`{line}` was still running after {} s and was killed", limit.as_secs()),
    }
}

/// The exit status of `child`, or none when it had to be killed at `limit`.
pub fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            for pid in descendants(child.id()) {
                signal("KILL", pid);
            }
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(20));
    }
}

/// Sends a signal by name; a process that is already gone is no error.
pub fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// All living descendants of a process, as Linux's /proc tells them.
fn descendants(of: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // "pid (name) state ppid …"; the name may itself hold blanks and brackets.
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)).and_then(|p| p.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(pid) = open.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(&below);
        open.extend(below);
    }
    found
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_past_its_limit_dies_with_its_children() {
        let mut child = Command::new("sh").args(["-c", "sleep 60 & sleep 60"]).spawn().expect("sh starts");
        let below = loop {
            let below = descendants(child.id());
            if below.len() == 2 {
                break below;
            }
            sleep(Duration::from_millis(5));
        };
        assert!(wait(&mut child, Duration::ZERO).expect("waits").is_none());
        // The killed children now belong to init; wait for the fact that they are gone or dead.
        for pid in below {
            let stat = format!("/proc/{pid}/stat");
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                sleep(Duration::from_millis(5));
            }
        }
    }

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let error = run(command, Duration::from_secs(10)).expect_err("exit 3 is a failure");
        assert!(error.to_string().contains("`sh -c exit 3`"), "{error}");
    }
}
