//! `raincheck bench`, so small that its figures mean nothing: here it matters only that they come out.

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
