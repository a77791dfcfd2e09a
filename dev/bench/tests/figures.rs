//! The whole bench, so small that its figures mean nothing: here it matters only that they come out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Output},
};

use pgcluster::Cluster;
use serde_json::Value;

/// Runs it in `folder`, with nothing of this process's environment but the search path. It measures the program that was
/// built beside it.
fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raincheck-bench"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).output().unwrap()
}

/// What it reported, and what it said meanwhile.
#[track_caller]
fn report(folder: &Path, arguments: &[&str]) -> (Value, String) {
    let output = bench(folder, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

/// Every workload, and the goals its rows belong to with how many rows each has.
const WORKLOADS: &[(&str, &[(&str, usize)])] = &[
    ("submit", &[("P1", 3), ("P3", 2)]),
    ("bulk", &[("P4", 1)]),
    ("drain", &[("P5", 1)]),
    ("life", &[("P5b", 1)]),
    ("single", &[("P6", 1)]),
    ("latency", &[("P7", 3)]),
    ("tell", &[("P8", 5)]),
    ("status", &[("P16", 2)]),
    ("depth", &[("P9", 4)]),
    ("finished", &[("P10", 4)]),
    ("forget", &[("P17", 2)]),
    ("memory", &[("P11", 3)]),
    ("start", &[("P12", 4)]),
    ("command", &[("P14", 1)]),
    ("idle", &[("P15", 2)]),
];

#[test]
fn every_workload_gives_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let small = "--seconds 0.1 --rounds 2 --callers 4 --watchers 20 --jobs 1000 --deep 1000 --later 500 \
                 --finished 20000 -o json --folder";
    let mut arguments: Vec<&str> = small.split_whitespace().collect();
    arguments.push(folder.path().to_str().unwrap());
    let (report, _) = report(folder.path(), &arguments);
    assert_eq!((&report["options"]["rounds"], &report["options"]["finished"]), (&2.into(), &20_000.into()));
    assert!(report["machine"]["processors"].as_u64().unwrap() > 0);
    let rows = report["rows"].as_array().unwrap();
    for (workload, goals) in WORKLOADS {
        for (id, count) in *goals {
            let found = rows.iter().filter(|row| row["id"] == *id).count();
            assert_eq!(found, *count, "rows of {id} by {workload}: {rows:#?}");
        }
    }
    assert_eq!(rows.len(), WORKLOADS.iter().flat_map(|(_, goals)| *goals).map(|(_, count)| count).sum::<usize>());
    for row in rows {
        let figure = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("no {name}: {row:#}"));
        let (low, value, high) = (figure("low"), figure("value"), figure("high"));
        assert!(low <= value && value <= high, "{row:#}");
        // Nothing is a figure too: no query while idle, no memory for a watcher that a page had room for.
        assert!(value > 0.0 || ["P15", "P11"].contains(&row["id"].as_str().unwrap()), "{row:#}");
        assert_eq!(row["goal"].is_null(), row["met"].is_null(), "{row:#}");
        if let Some(against) = row["against"].as_object() {
            assert!(against["ratio"].as_f64().unwrap() > 0.0, "{row:#}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn bloat_needs_postgresql_and_shows_how_it_went_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let refused = bench(folder.path(), &["bloat"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--store postgres://"), "{refused:#?}");

    let database = Cluster::shared().database().unwrap();
    let url = database.url();
    let arguments = ["bloat", "--minutes", "0.1", "--callers", "8", "--store", &url, "--folder", path, "-o", "json"];
    let (report, said) = report(folder.path(), &arguments);
    assert_eq!(said.matches("a foreign transaction open").count(), 10, "{said}");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!((&report["options"]["minutes"], &rows[2]["goal"]["ratio_at_least"]), (&0.1.into(), &0.9.into()));
    assert_eq!([0, 1, 2].map(|row| rows[row]["rounds"].as_u64().unwrap()), [18, 10, 20], "{rows:#?}");
    // Every job that it counted has come to its end, and all others that it made.
    let course: Vec<f64> = serde_json::from_value(rows[2]["course"].clone()).unwrap();
    assert!(course.len() == 60 && rows[1]["against"]["value"] == rows[0]["value"], "{rows:#?}");
    let done: usize = rows[0]["note"].as_str().unwrap().split(' ').nth(5).unwrap().parse().unwrap();
    let counted = course.iter().sum::<f64>() * 0.1;
    assert!(done > 0 && counted <= done as f64 * 1.2, "{counted} of {done}: {rows:#?}");
    let finished = "SELECT sum(n) FROM counter WHERE state = 4";
    assert_eq!(database.run(finished).unwrap(), done.to_string());
    for table in ["job", "event", "spec", "lease"] {
        let named = |row: &&Value| row["what"].as_str().unwrap().contains(&format!("`{table}`"));
        let row = rows.iter().find(named).unwrap_or_else(|| panic!("no {table}: {rows:#?}"));
        assert!(row["value"].as_f64().unwrap() > 0.0 && row["note"].as_str().unwrap().matches('→').count() == 12);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let refused = bench(folder.path(), &["bulk", "--raincheck", "none"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("no program to measure, none") && said.contains("cargo xtask bench"), "{said}");
}
