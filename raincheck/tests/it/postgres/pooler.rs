//! A pooler between the server and its database.

use pgcluster::Pooler;

use super::{Bed, Node};
use crate::cli::{command, said};

/// Prepared on one connection and carried out on another, nothing would work; and that is said before anybody relies on it.
#[tokio::test]
async fn a_pooler_without_prepared_statements_is_refused() {
    let bed = Bed::new();
    let cluster = bed.database.cluster();
    let pooler = Pooler::start(cluster, 0).unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", &pooler.url(bed.database.name())];
    let refused = said(command(bed.path(), &arguments), None).with(1);
    assert!(refused.err.contains("max_prepared_statements"), "{refused:#?}");
    // Older ones have no such setting, and always are as above.
    if Pooler::keeps_statements().unwrap() {
        let pooler = Pooler::start(cluster, 100).unwrap();
        let node = Node::on(&pooler.url(bed.database.name()), bed.path());
        node.submit().await;
    }
}
