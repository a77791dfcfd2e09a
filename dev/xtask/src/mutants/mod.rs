//! `cargo xtask mutants`: does the suite see what it is there to see? Each mutant is a fault written into a scratch
//! copy of the last commit; it must build, and its test or campaign must fail.

mod client;
mod feed;
mod follow;
mod mutant;
mod postgres;
mod program;
mod rules;
mod store;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{root, run, wait};
use client::OF_WORKERS;
use feed::ON_FEED;
use follow::OF_FOLLOW_UPS;
use mutant::{Edit, Killer, Mutant};
use postgres::ON_POSTGRES;
use program::OF_THE_PROGRAM;
use rules::OF_RULES;
use store::OF_THE_STORE;
use wire::ON_THE_WIRE;

fn all() -> impl Iterator<Item = &'static Mutant> {
    [OF_RULES, OF_THE_STORE, ON_FEED, OF_FOLLOW_UPS, ON_POSTGRES, OF_WORKERS, ON_THE_WIRE, OF_THE_PROGRAM]
        .into_iter()
        .flatten()
}

/// Far above what a build or a killer takes: a mutant that hangs is killed too.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What campaigns hurt is built anew for each mutant: what changed of it, and no more.
const QUICKLY_BUILT: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
];

/// `cargo xtask mutants [NAME…]`
pub fn command(names: &[&str]) -> Result<()> {
    for name in names {
        ensure!(all().any(|mutant| mutant.name == *name), "no mutant `{name}`; without names, all are tried");
    }
    let chosen: Vec<&Mutant> = all().filter(|m| names.is_empty() || names.contains(&m.name)).collect();
    let copy = Copy::make()?;
    let mut sound: Vec<Killer> = Vec::new();
    let mut rows = Vec::new();
    for mutant in &chosen {
        if !sound.contains(&mutant.killer) {
            // What fails on sound code says nothing about a mutant.
            ensure!(copy.passes(mutant.killer)?, "`{}` fails without any mutant", mutant.killer.line());
            sound.push(mutant.killer);
        }
        println!("\n== {}: {}", mutant.name, mutant.fault);
        for edit in mutant.edits {
            edit.apply(&copy.source)?;
        }
        copy.build(mutant.killer).with_context(|| format!("{} does not build", mutant.name))?;
        let start = Instant::now();
        let killed = !copy.passes(mutant.killer)?;
        let end = if killed { "killed" } else { "SURVIVED" };
        println!("== {}: {end} after {:.0} s", mutant.name, start.elapsed().as_secs_f64());
        rows.push((mutant, killed));
        copy.restore()?;
    }
    println!("\n| mutant | fault | `cargo …` | |\n|---|---|---|---|");
    for (mutant, killed) in &rows {
        let end = if *killed { "killed" } else { "**survived**" };
        println!("| {} | {} | `{}` | {end} |", mutant.name, mutant.fault, mutant.killer.line());
    }
    let survivors = rows.iter().filter(|(_, killed)| !killed).count();
    println!("\n{} killed, {survivors} survived", rows.len() - survivors);
    ensure!(survivors == 0, "the suite does not see every fault");
    Ok(())
}

/// The last commit in a folder of its own, with its own build folder, kept from one run to the next.
struct Copy {
    source: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn make() -> Result<Copy> {
        let scratch = root().join("target/mutants");
        let copy = Copy { source: scratch.join("source"), target: scratch.join("target") };
        if copy.source.exists() {
            fs::remove_dir_all(&copy.source)?;
        }
        fs::create_dir_all(&scratch)?;
        let mut clone = Command::new("git");
        clone.args(["clone", "--quiet", "--shared"]).arg(root()).arg(&copy.source);
        run(clone, LIMIT)?;
        Ok(copy)
    }

    fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(&self.source).env("CARGO_TARGET_DIR", &self.target);
        command.envs(QUICKLY_BUILT);
        command
    }

    fn build(&self, killer: Killer) -> Result<()> {
        match killer {
            Killer::Tests(args) => {
                let at = args.len().min(if args.contains(&"--test") { 5 } else { 3 });
                run(self.cargo(&[&args[..at], &["--no-run"]].concat()), LIMIT)
            }
            Killer::Campaign(..) => run(self.cargo(&["build", "--release", "-p", "raincheck"]), LIMIT),
        }
    }

    /// Whether the killer finds nothing; running over the limit counts as finding something.
    fn passes(&self, killer: Killer) -> Result<bool> {
        let mut command = match killer {
            Killer::Tests(args) => self.cargo(args),
            Killer::Campaign(name, loops) => {
                self.cargo(&["xtask", "torture", "--campaign", name, "--loops", &loops.to_string()])
            }
        };
        println!("$ cargo {}", killer.line());
        Ok(wait(&mut command.spawn()?, LIMIT)?.is_some_and(|status| status.success()))
    }

    fn restore(&self) -> Result<()> {
        let mut git = Command::new("git");
        git.args(["checkout", "--quiet", "."]).current_dir(&self.source);
        run(git, LIMIT)
    }
}

impl Killer {
    fn line(&self) -> String {
        match self {
            Killer::Tests(args) => args.join(" "),
            Killer::Campaign(name, loops) => format!("xtask torture --campaign {name} --loops {loops}"),
        }
    }
}

impl Edit {
    fn apply(&self, root: &Path) -> Result<()> {
        let path = root.join(self.file);
        let text = fs::read_to_string(&path).with_context(|| self.file.to_owned())?;
        match text.matches(self.from).count() {
            1 => Ok(fs::write(&path, text.replacen(self.from, self.to, 1))?),
            times => bail!("{}: `{}` stands there {times} times, not once", self.file, self.from.trim()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code moves on; a mutant that no longer applies would show nothing.
    #[test]
    fn every_mutant_still_applies() {
        let mut gone = Vec::new();
        for mutant in all() {
            let scratch = std::env::temp_dir().join(format!("raincheck-mutant-{}-{}", mutant.name, std::process::id()));
            for edit in mutant.edits {
                let copy = scratch.join(edit.file);
                if !copy.exists() {
                    fs::create_dir_all(copy.parent().expect("a file in a folder")).expect("a folder");
                    fs::copy(root().join(edit.file), &copy).expect("the file is there");
                }
                gone.extend(edit.apply(&scratch).err().map(|error| format!("{}: {error:#}", mutant.name)));
            }
            fs::remove_dir_all(&scratch).expect("removed");
        }
        assert!(gone.is_empty(), "{gone:#?}");
    }
}
