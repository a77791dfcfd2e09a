//! The database is gone in the moment of a commit: nobody knows what became of it, and nobody says that he does.

use std::time::Duration;

use pgcluster::{Cluster, Settings, Stop};
use serde_json::json;

use super::{LIMIT, Node};

/// Makes the commit of every new job take long enough to be interrupted.
const SLOW_COMMIT: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'; \
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON job DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()";
const COMMITTING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

#[tokio::test]
async fn an_unknown_end_is_a_broken_connection() {
    let cluster = Cluster::start(Settings::default()).unwrap();
    let database = cluster.database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on(&database.url(), folder.path());
    node.submit().await;
    database.run(SLOW_COMMIT).unwrap();

    let submit = node.ask(reqwest::Method::POST, "/jobs").json(&json!({"kind": "k", "label": "lost"})).send();
    let stop = async {
        let begin = std::time::Instant::now();
        while cluster.run("postgres", COMMITTING).unwrap() != "1" {
            assert!(begin.elapsed() < LIMIT, "no commit is under way");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cluster.stop(Stop::Immediate).unwrap();
    };
    let (answer, ()) = tokio::join!(submit, stop);
    let broken = answer.expect_err("an answer to what nobody knows");
    assert!(!broken.is_timeout() && !broken.is_connect(), "{broken:?}");

    // What is known not to have been done is said.
    let (status, problem) = node.post("/jobs", json!({"kind": "k"})).await;
    assert_eq!((status.as_u16(), &problem["type"]), (503, &"/problems/store-unavailable".into()), "{problem}");
    cluster.resume().unwrap();
    let begin = std::time::Instant::now();
    while node.get("/readyz").await.0 != 200 {
        assert!(begin.elapsed() < LIMIT, "the node does not find the database again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(database.run("SELECT count(*) FROM job").unwrap(), "1");
}
