//! `raincheck bench`, so small that its figures mean nothing: here it matters only that they come out.

use pgcluster::Cluster;
use serde_json::Value;

use super::{command, said};

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
    let mut arguments = vec!["bench"];
    arguments.extend(small.split_whitespace());
    let path = folder.path().to_str().unwrap();
    arguments.push(path);
    let out = said(command(folder.path(), &arguments), None).well();
    let report: Value = serde_json::from_str(&out).unwrap();
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
    let refused = said(command(folder.path(), &["bench", "bloat"]), None).with(2);
    assert!(refused.err.contains("--store postgres://"), "{refused:#?}");

    let database = Cluster::shared().database().unwrap();
    let url = database.url();
    let arguments =
        ["bench", "bloat", "--minutes", "0.1", "--callers", "8", "--store", &url, "--folder", path, "-o", "json"];
    let said = said(command(folder.path(), &arguments), None).with(0);
    assert_eq!(said.err.matches("a foreign transaction open").count(), 10, "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();
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
