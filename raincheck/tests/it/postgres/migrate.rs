//! `raincheck migrate`: a server goes on in a database where it stopped in its file.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Bed, Node};
use crate::cli::{command, said};
use crate::server::Server;

const FROM: &str = "sqlite:data/raincheck.db";

#[tokio::test]
async fn a_server_goes_on_where_it_stopped() {
    let bed = Bed::new();
    let url = bed.database.url();
    let migrate =
        |from: &str| said(command(bed.path(), &["migrate", "--from", from, "--to", &url, "-o", "json"]), None);

    let mut old = Node { server: Server::start(bed.path(), &[]), http: reqwest::Client::new() };
    let done = old.submit().await;
    let lease = old.lease().await;
    // Larger than what goes into the database: a file that stays where it is.
    let large = "x".repeat(300_000);
    assert_eq!(old.complete(&lease, json!(large)).await.0, 200);
    let keyed = json!({"kind": "k", "input": {"n": 2}, "key": "of-my-own"});
    let (_, waiting) = old.post("/jobs", keyed.clone()).await;
    let (_, before) = old.get("/events?after=0").await;
    assert!(migrate(FROM).with(1).err.contains("stop the server"), "a server has it");
    old.server.terminate();

    assert!(migrate("sqlite:nothing/here.db").code != 0);
    let moved: Value = serde_json::from_str(&migrate(FROM).well()).unwrap();
    assert_eq!((&moved["jobs"], &moved["events"]), (&2.into(), &4.into()), "{moved}");
    let again = migrate(FROM).with(1).err;
    assert!(again.contains("empty database"), "{again}");

    let node = bed.node();
    assert_eq!(node.state(&done).await, "succeeded");
    let result = node.ask(Method::GET, &format!("{done}/result")).send().await.unwrap();
    assert_eq!(result.json::<String>().await.unwrap(), large);
    assert_eq!(node.get("/events?after=0").await.1, before);
    let (status, same) = node.post("/jobs", keyed).await;
    assert_eq!((status, &same["id"]), (StatusCode::ACCEPTED, &waiting["id"]), "{same}");
    let lease = node.lease().await;
    assert_eq!(lease["job"]["id"], waiting["id"], "{lease}");
    assert_eq!(node.complete(&lease, json!(1)).await.0, 200);
}
