//! A server that nobody asks anything leaves its database alone.

use std::time::{Duration, Instant};

use pgcluster::{Cluster, Settings};

use super::Node;

/// At most one statement a second, by the database's own log.
#[tokio::test]
async fn an_idle_node_asks_at_most_once_a_second() {
    let more = vec![("log_statement".to_owned(), "all".to_owned())];
    let cluster = Cluster::start(Settings { more, ..Settings::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on(&cluster.url("postgres"), folder.path());
    node.submit().await;
    let statements = || {
        let said = cluster.said();
        said.iter().filter(|line| line.contains("execute ") || line.contains("statement: ")).count()
    };
    // What follows a submit is over soon.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (begin, before) = (Instant::now(), statements());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = statements() - before;
    assert!(asked > 0, "it shows that it lives");
    assert!(asked as f64 <= begin.elapsed().as_secs_f64() + 1.0, "{asked} statements: {:#?}", cluster.said());
}
