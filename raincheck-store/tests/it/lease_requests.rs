//! Requests for work that are asked again, at another node.

use raincheck_core::{Command, LeaseJobs, LeaseRef, Reply, Settle};
use raincheck_store::Store;
use raincheck_store::conformance::{KIND, complete, digest, new_job, worker_asks};

use crate::nodes::{close, nodes};

/// Two nodes that are asked the same at once give the same: whoever finds nothing left waits for what the other one gave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lease_request_at_two_nodes_is_one() {
    let (_place, nodes) = nodes(2).await;
    let mut commits = nodes[1].commits();
    for round in 0..40 {
        let replies = nodes[0].apply(vec![Command::Submit(vec![new_job()])]).await.unwrap();
        let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
        let no = all[0].job().no;
        while commits.recv().await.unwrap().events.iter().all(|event| event.no != no) {}
        let request = LeaseJobs { request_id: Some(digest(&format!("request-{round}"))), ..worker_asks(&[KIND], 3) };
        let asked = [0, 1, 0, 1].map(|node: usize| nodes[node].apply(vec![Command::Lease(request.clone())]));
        let [first, others @ ..] = &futures_util::future::try_join_all(asked).await.unwrap()[..] else { panic!() };
        assert!(matches!(&first[..], [Reply::Leased(leased)] if leased.len() == 1), "round {round}: {first:?}");
        assert!(others.iter().all(|other| other == first), "round {round}: {others:?}");
        let settle = Settle { lease: LeaseRef { no, attempt: 1 }, outcome: complete("1") };
        nodes[0].apply(vec![Command::Settle(settle)]).await.unwrap();
    }
    close(nodes).await;
}
