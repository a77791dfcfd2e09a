//! A cluster's life: it starts, keeps what was committed, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pgcluster::{Cluster, Settings, Stop};

/// Set for the test that another test runs as a process of its own, to kill it.
const VICTIM: &str = "PGCLUSTER_VICTIM";

fn data(cluster: &Cluster) -> PathBuf {
    PathBuf::from(cluster.run("postgres", "SHOW data_directory").unwrap())
}

fn pid(data: &Path) -> u32 {
    let file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

/// Waits for the end of a process that is not ours, and of its folder.
fn gone(pid: u32, folder: &Path) {
    let until = Instant::now() + Duration::from_secs(30);
    while Path::new(&format!("/proc/{pid}")).exists() || folder.exists() {
        assert!(Instant::now() < until, "process {pid} or {} is still there", folder.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn committed_survives_a_crash_of_the_server() {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() }).unwrap();
    assert_eq!(cluster.run("postgres", "SHOW fsync").unwrap(), "on");
    let port = cluster.port();
    let database = cluster.database().unwrap();
    database.run("CREATE TABLE t AS SELECT 'here' AS a").unwrap();
    cluster.restart(Stop::Immediate).unwrap();
    assert!(cluster.said().iter().any(|line| line.contains("automatic recovery")), "{:#?}", cluster.said());
    assert_eq!(database.run("SELECT a FROM t").unwrap(), "here");
    cluster.restart(Stop::Fast).unwrap();
    assert_eq!((cluster.port(), database.run("SELECT a FROM t").unwrap().as_str()), (port, "here"));
    cluster.stop(Stop::Fast).unwrap();
    assert!(database.run("SELECT 1").is_err());
}

#[test]
fn databases_are_copied_and_dropped() {
    let cluster = Cluster::shared();
    let first = cluster.database().unwrap();
    first.run("CREATE TABLE t AS SELECT 7 AS a").unwrap();
    let second = cluster.database_like(first.name()).unwrap();
    second.run("UPDATE t SET a=8").unwrap();
    assert_eq!(
        (first.run("SELECT a FROM t").unwrap(), second.run("SELECT a FROM t").unwrap()),
        ("7".into(), "8".into())
    );
    let name = second.name().to_owned();
    drop(second);
    let left = format!("SELECT count(*) FROM pg_database WHERE datname='{name}'");
    let until = Instant::now() + Duration::from_secs(30);
    while cluster.run("postgres", &left).unwrap() != "0" {
        assert!(Instant::now() < until, "{name} is still there");
    }
    let error = first.run("SELECT nothing FROM t").unwrap_err();
    assert!(error.to_string().contains("\"nothing\" does not exist"), "{error}");
}

#[test]
fn a_dropped_cluster_leaves_nothing() {
    let cluster = Cluster::start(Settings::default()).unwrap();
    let data = data(&cluster);
    let pid = pid(&data);
    drop(cluster);
    assert!(!data.exists() && !Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_killed_process_leaves_nothing() {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "victim", "--nocapture"]).env(VICTIM, "1");
    let mut child = test.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let data =
        lines.filter_map(|line| line.split_once("data in ").map(|(_, path)| PathBuf::from(path))).next().unwrap();
    let pid = pid(&data);
    child.kill().unwrap();
    child.wait().unwrap();
    gone(pid, data.parent().unwrap());
}

#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_some() {
        println!("data in {}", data(Cluster::shared()).display());
        loop {
            std::thread::park();
        }
    }
}
