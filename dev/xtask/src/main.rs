//! Developer commands: `cargo xtask test` is all that continuous integration runs.

mod bench;
mod fuzz;
mod graph;
mod install;
mod instructions;
mod interop;
mod live;
mod mutants;
mod quick;
mod run;
mod schemathesis;
mod sim;
mod steps;
mod tidy;
mod tools;
mod torture;

use std::process::ExitCode;

use anyhow::Context as _;

use run::root;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test      everything that must pass before a change goes in (under 45 minutes on two cores)
  quick     what shows most faults while you write: format, tidy, clippy, unit tests, conformance on SQLite (under two
            minutes when little changed)
  tidy      only the house rules: crate line, circles, sizes, links, spelling, leftovers, tables and variants that nobody
            uses, names that were given up; with `--graph` prints the picture of the crates, with `--graph --write` puts it
            into docs/README.md, with `--graph --depth N` prints all modules N floors deep and who uses whom, for Graphviz
  setup     only the tools that `test` needs: install them as root, else say what to install
  bench     all that Raincheck is held to, measured on this machine; `--help` tells what there is to measure
  fuzz      [TARGET] [--seconds N] [--seed N]: parsers and the API, for longer than `test` does; `fuzz list` names them
  instructions  [--write]: counts the instructions of the hot paths and fails where one grew by more than 5 %
  interop   [NAME…]: other people's programs against the release binary; without a name, the list of them
  mutants   writes known faults into a copy and shows that the suite sees each; with names, only those
  sim       the rules in a simulated world, by the million; `--help` tells its options
  torture   campaigns against the release binary; without a name, the list of them";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["test"] => steps::test(),
        ["quick"] => steps::quick(),
        ["tidy"] => tidy::check(&root()),
        ["tidy", "--graph", rest @ ..] => draw(rest),
        ["setup"] => tools::ensure(),
        ["bench", rest @ ..] => bench::command(rest),
        ["fuzz", rest @ ..] => fuzz::command(rest),
        ["instructions", rest @ ..] => instructions::command(rest),
        ["interop", names @ ..] => interop::command(names),
        ["mutants", names @ ..] => mutants::command(names),
        ["sim", rest @ ..] => sim::command(rest),
        ["torture", rest @ ..] => torture::command(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Draws the crates, or the modules.
fn draw(options: &[&str]) -> anyhow::Result<()> {
    let arrows = graph::of(&graph::sources(&root())?);
    match options {
        [] => print!("{}", graph::picture(&arrows)),
        ["--write"] => tidy::write_picture(&root(), &arrows)?,
        ["--depth", depth] => print!("{}", graph::dot(&arrows, depth.parse().context("a depth is a whole number")?)),
        _ => anyhow::bail!("usage: cargo xtask tidy --graph [--write | --depth N]"),
    }
    Ok(())
}
