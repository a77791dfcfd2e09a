//! Instructions of the hot paths against `dev/bench/instructions.json`: a change that makes one of them longer shows on any
//! machine, however busy, where its time would not.
//!
//! The counts belong to a compiler and a processor as well; who changes those writes them anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::bench;
use crate::tools::find;

const KEPT: &str = "dev/bench/instructions.json";
/// How much a count may grow. Two rounds of the same program differ by up to five percent where a request waits for its
/// own transaction, by less than one elsewhere.
const TOLERANCE_PERCENT: f64 = 5.0;

/// Counts by what was counted.
type Counts = BTreeMap<String, f64>;

/// `cargo xtask instructions [--write]`: counts and compares; with `--write` keeps what was counted instead.
pub fn command(args: &[&str]) -> Result<()> {
    let write = match args {
        [] => false,
        ["--write"] => true,
        _ => bail!("usage: cargo xtask instructions [--write]"),
    };
    if find("valgrind").is_none() {
        bail!("nothing was counted: the instructions are counted by valgrind, which is not installed");
    }
    let mut bench = bench::built()?;
    bench.args(["instructions", "--rounds", "2", "-o", "json"]).stderr(Stdio::inherit());
    let said = bench.output().context("cannot start the bench")?;
    ensure!(said.status.success(), "the bench ended with {}", said.status);
    let path = crate::run::root().join(KEPT);
    if write {
        let text = serde_json::to_string_pretty(&counted(&said.stdout, "value")?)? + "\n";
        return std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()));
    }
    // Kept is the mean of the rounds, judged the lowest: so what the server does by the clock is no growth.
    let (lines, grown) = compare(&read(&path)?, &counted(&said.stdout, "low")?);
    for line in lines {
        println!("{line}");
    }
    if grown.is_empty() {
        return Ok(());
    }
    bail!(
        "more instructions than {KEPT} allows ({TOLERANCE_PERCENT} %): {}\n\
         find out why; where it is worth it, `cargo xtask instructions --write` keeps the new counts",
        grown.join("; ")
    )
}

fn read(path: &Path) -> Result<Counts> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as it should be", path.display()))
}

/// One figure of each row.
fn counted(report: &[u8], figure: &str) -> Result<Counts> {
    let report: Value = serde_json::from_slice(report).context("the bench did not answer in JSON")?;
    let rows = report["rows"].as_array().context("the bench told no rows")?;
    let count = |row: &Value| {
        let what = row["what"].as_str().context("a row that does not say what")?;
        let count = row[figure].as_f64().with_context(|| format!("no {figure} for {what}"))?;
        Ok((what.to_owned(), count.round()))
    };
    rows.iter().map(count).collect()
}

/// A line for each path, and the paths that grew too much or are known on one side only.
fn compare(kept: &Counts, counted: &Counts) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for (what, count) in counted {
        let Some(before) = kept.get(what) else {
            wrong.push(format!("{what} is not in {KEPT}"));
            continue;
        };
        let change = 100.0 * (count - before) / before;
        lines.push(format!("{count:>9.0}  {change:>+6.1} %  {what}"));
        if change > TOLERANCE_PERCENT {
            wrong.push(format!("{what}, {before:.0} -> {count:.0} ({change:+.1} %)"));
        }
    }
    let gone = kept.keys().filter(|what| !counted.contains_key(*what));
    wrong.extend(gone.map(|what| format!("{what} was not counted")));
    (lines, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, f64)]) -> Counts {
        rows.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
    }

    #[test]
    fn only_growth_beyond_the_tolerance_is_wrong() {
        let kept = counts(&[("a", 1_000.0), ("b", 1_000.0), ("c", 1_000.0)]);
        let (lines, wrong) = compare(&kept, &counts(&[("a", 1_050.0), ("b", 1_051.0), ("c", 500.0)]));
        assert_eq!(lines.len(), 3);
        assert_eq!(wrong, ["b, 1000 -> 1051 (+5.1 %)"]);
    }

    #[test]
    fn a_path_that_one_side_does_not_know_is_wrong() {
        let (_, wrong) = compare(&counts(&[("a", 1.0)]), &counts(&[("b", 1.0)]));
        assert_eq!(wrong, ["b is not in dev/bench/instructions.json", "a was not counted"]);
    }

    #[test]
    fn what_is_kept_can_be_read_and_names_every_row_once() {
        let kept = read(&crate::run::root().join(KEPT)).expect("it is there");
        assert!(kept.values().all(|count| *count > 0.0) && kept.len() > 5, "{kept:?}");
    }

    #[test]
    fn a_report_is_read_row_by_row() {
        let report = br#"{"rows":[{"what":"a","value":2.4,"low":2.3,"high":2.6}]}"#;
        assert_eq!(counted(report, "value").expect("a report"), counts(&[("a", 2.0)]));
        assert_eq!(counted(report, "high").expect("a report"), counts(&[("a", 3.0)]));
        assert!(counted(br#"{"rows":[{"what":"a"}]}"#, "low").is_err());
    }
}
