//! Filters of one node, by names that others have made.

use raincheck_core::Command;
use raincheck_store::conformance::{names, new_of};
use raincheck_store::{Filter, Store};

use crate::nodes::{close, nodes};

/// A node that lists by a pattern finds jobs whose names another node has made since, and by an unheard-of name as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_matches_names_that_other_nodes_have_made() {
    let (_place, nodes) = nodes(2).await;
    let found = async |queues: &str, kinds: &str| {
        let filter = Filter { queues: names(queues), kinds: names(kinds), ..Filter::default() };
        let page = nodes[1].jobs(filter, 9).await.expect("a page");
        page.items.into_iter().map(|record| record.job.queue.to_string()).collect::<Vec<_>>()
    };
    let make = async |queue: &str, kind: &str| {
        nodes[0].apply(vec![Command::Submit(vec![new_of(queue, kind)])]).await.expect("a job");
    };
    make("shop.a", "mail.send").await;
    assert_eq!(found("shop.*", "mail.*").await, ["shop.a"]);
    make("shop.b", "mail.read").await;
    assert_eq!(found("shop.*", "mail.*").await, ["shop.b", "shop.a"]);
    make("shop.c", "mail.late").await;
    assert_eq!(found("nobodys,shop.c", "*").await, ["shop.c"]);
    assert_eq!(found("*", "*late,nobodys").await, ["shop.c"]);
    close(nodes).await;
}
