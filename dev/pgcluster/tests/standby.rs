//! A server that follows another, and takes its place.
#![allow(clippy::unwrap_used, reason = "tests")]

use pgcluster::{Cluster, Replication, Settings, Stop};

fn start() -> Cluster {
    let cluster = Cluster::start(Settings::default()).unwrap();
    cluster.run("postgres", "CREATE TABLE t (a text)").unwrap();
    cluster
}

fn put(cluster: &Cluster, text: &str) {
    cluster.run("postgres", &format!("INSERT INTO t VALUES ('{text}')")).unwrap();
}

fn all(cluster: &Cluster) -> String {
    cluster.run("postgres", "SELECT string_agg(a, ' ' ORDER BY a) FROM t").unwrap()
}

#[test]
fn what_is_waited_for_is_there_and_the_old_one_comes_back_as_it_was() {
    let first = start();
    let second = first.standby(Replication::Synchronous).unwrap();
    put(&first, "a");
    let file = std::fs::read_to_string(first.run("postgres", "SHOW data_directory").unwrap() + "/postmaster.pid");
    let segment: u64 = file.unwrap().lines().nth(6).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let segments = || std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let is_there = || segments().lines().any(|line| line.split_whitespace().nth(1) == Some(&segment.to_string()));
    assert!(is_there());
    first.stop(Stop::Kill).unwrap();
    assert!(!is_there(), "a killed server leaves its memory behind");
    assert!(second.run("postgres", "INSERT INTO t VALUES ('early')").is_err());
    second.promote().unwrap();
    put(&second, "b");
    assert_eq!(all(&second), "a b");

    first.resume().unwrap();
    first.wait_for_nobody().unwrap();
    put(&first, "c");
    assert_eq!((all(&first), all(&second)), ("a c".into(), "a b".into()));

    // One more in a row.
    let third = second.standby(Replication::Synchronous).unwrap();
    put(&second, "d");
    second.stop(Stop::Immediate).unwrap();
    third.promote().unwrap();
    put(&third, "e");
    assert_eq!(all(&third), "a b d e");
}

#[test]
fn what_is_not_waited_for_may_be_missing_or_not_to_be_seen_yet() {
    let first = start();
    let second = first.standby(Replication::Asynchronous).unwrap();
    put(&first, "a");
    second.catch_up(&first).unwrap();
    second.pause_replay().unwrap();
    put(&first, "b");
    assert_eq!(all(&second), "a");
    second.resume_replay().unwrap();
    second.catch_up(&first).unwrap();
    assert_eq!(all(&second), "a b");
    second.stop_following().unwrap();
    put(&first, "c");
    second.promote().unwrap();
    assert_eq!((all(&first), all(&second)), ("a b c".into(), "a b".into()));
}
