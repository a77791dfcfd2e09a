//! `raincheck bench`, so small that its figures mean nothing: here it matters only that they come out.

use pgcluster::Cluster;
use serde_json::Value;

use super::{command, said};

#[test]
fn every_workload_gives_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let small = ["bench", "--seconds", "0.3", "--rounds", "2", "--callers", "4", "-o", "json", "--folder", path];
    let report: Value = serde_json::from_str(&said(command(folder.path(), &small), None).well()).unwrap();
    assert_eq!(report["options"], serde_json::json!({"seconds": 0.3, "rounds": 2, "callers": 4}));
    assert!(report["machine"]["processors"].as_u64().unwrap() > 0);
    let rows = report["rows"].as_array().unwrap();
    let goals: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(goals, ["P1", "P1", "P1", "P3", "P3", "P5", "P5b", "P7", "P7", "P7"], "{rows:#?}");
    for row in rows {
        let figure = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("no {name}: {row:#}"));
        let (low, value, high) = (figure("low"), figure("value"), figure("high"));
        assert!(0.0 < low && low <= value && value <= high, "{row:#}");
        assert_eq!(row["goal"].is_null(), row["met"].is_null(), "{row:#}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn what_it_does_not_measure_is_told_where_to_find() {
    let folder = tempfile::tempdir().unwrap();
    let help = said(command(folder.path(), &["bench", "--help"]), None).well();
    assert!(help.contains("possible values: submit, drain, life, latency]"), "{help}");
    assert!(help.contains("cargo xtask bench"), "{help}");
    let refused = said(command(folder.path(), &["bench", "depth"]), None).with(2);
    assert!(refused.err.contains("possible values: submit, drain, life, latency]"), "{refused:#?}");
}

/// Jobs that somebody has in a database would be measured, and run, by whoever measures in it.
#[test]
fn a_database_with_jobs_is_refused() {
    let database = Cluster::shared().database().unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), database.url());
    let bench = |workloads: &[&str]| {
        let all = [&["bench"], workloads, &["--seconds", "0.1", "--rounds", "1", "--callers", "4", "--store", &url]];
        said(command(folder.path(), &all.concat()), None)
    };
    let refused = bench(&["submit", "latency"]).with(2);
    assert!(refused.err.contains("would count in the next") && refused.err.contains("createdb"), "{refused:#?}");
    bench(&["submit"]).well();
    let jobs = || database.run("SELECT count(*) || ' ' || sum(seq) FROM job").unwrap();
    let before = jobs();
    let refused = bench(&["drain"]).with(2);
    assert!(refused.err.contains("holds jobs") && refused.err.contains("createdb"), "{refused:#?}");
    assert_eq!(jobs(), before, "nothing was submitted, and nothing run");
}
