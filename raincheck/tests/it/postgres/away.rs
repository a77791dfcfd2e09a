//! What is said while the database is away.

use futures_util::future::join_all;
use pgcluster::{Cluster, Settings, Stop};
use reqwest::Method;

use super::{LIMIT, Node};
use crate::cli::{command, said};
use crate::server::until;

/// Requests of each kind while it is away.
const REQUESTS: usize = 60;

#[tokio::test]
async fn the_log_is_not_flooded_and_doctor_says_what_is_wrong() {
    let cluster = Cluster::start(Settings::default()).unwrap();
    let (url, folder) = (cluster.url("postgres"), tempfile::tempdir().unwrap());
    let node = Node::on(&url, folder.path());
    let job = node.submit().await;
    cluster.stop(Stop::Kill).unwrap();
    until("it is not ready", LIMIT, async || node.get("/readyz").await.0 == 503).await;
    for _ in 0..REQUESTS {
        assert_eq!(node.get("/readyz").await.0, 503);
    }
    for answer in join_all((0..REQUESTS).map(|_| node.ask(Method::GET, &job).send())).await {
        assert_eq!(answer.unwrap().status(), 503);
    }
    let errors: Vec<_> = node.server.said().into_iter().filter(|line| line.contains(r#""level":"error""#)).collect();
    assert!(errors.iter().any(|line| line.contains("the store failed a request")), "{errors:#?}");
    // Each kind of it in five seconds; there are few kinds.
    assert!(errors.len() < REQUESTS / 3, "{} lines: {errors:#?}", errors.len());

    let arguments = ["doctor", "--data", "data", "--store", &url];
    let doctor = said(command(folder.path(), &arguments), None).with(1).err;
    assert!(doctor.contains("is the database running there") && !doctor.contains("--data FOLDER"), "{doctor}");
}
