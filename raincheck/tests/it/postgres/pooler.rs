//! A pooler between the server and its database.

use pgcluster::{Pooler, Pooling};
use serde_json::json;

use super::{Node, TestSite};
use crate::cli::{command, said};

/// Prepared on one connection and carried out on another, nothing would work; and that is said before anybody relies on it.
#[tokio::test]
async fn a_pooler_without_prepared_statements_is_refused() {
    let site = TestSite::new();
    let cluster = site.database.cluster();
    let pooler = Pooler::start(cluster, Pooling::Transaction { statements: 0 }).unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", &pooler.url(site.database.name())];
    let refused = said(command(site.path(), &arguments), None).with(1);
    assert!(refused.err.contains("max_prepared_statements"), "{refused:#?}");
    // Older ones have no such setting, and always are as above.
    if Pooler::keeps_statements().unwrap() {
        let pooler = Pooler::start(cluster, Pooling::Transaction { statements: 100 }).unwrap();
        let node = Node::on(&pooler.url(site.database.name()), site.path());
        node.submit().await;
    }
}

/// By the session, every version will do: what one node wakes, a worker that waits at another gets.
#[tokio::test]
async fn a_pooler_of_sessions_is_no_different_from_none() {
    let site = TestSite::new();
    let pooler = Pooler::start(site.database.cluster(), Pooling::Session).unwrap();
    let url = pooler.url(site.database.name());
    let nodes = [Node::on(&url, site.path()), Node::on(&url, site.path())];
    let (lease, job) = tokio::join!(nodes[1].lease(), nodes[0].submit());
    let watch = nodes[0].watch(&job).await;
    assert_eq!(nodes[1].complete(&lease, json!(1)).await.0, 200);
    assert_eq!(watch.types().await, ["created", "started", "succeeded"]);
    // Whoever it has for a while may be another behind it: each begins anew.
    site.database.disconnect().unwrap();
    nodes[0].insist("/jobs", &json!({"kind": "k"})).await;
}
