//! A database that comes back with another history of the data, or on another server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgcluster::Cluster;
use raincheck_core::{Command, Cursor, Job, LeaseRef, NewJob, Reply, Submitted};
use raincheck_store::conformance::{KIND, name, new_job, worker_asks};
use raincheck_store::{
    EventFilter, Filter, Found, Invariant, PostgresOptions, PostgresStore, Store, StoreError, StoreOptions, doctor,
};

use crate::postgres::Base;

/// How long anything may take that takes no time.
const LIMIT: Duration = Duration::from_secs(60);

struct Site(Base);

impl Site {
    fn options(&self) -> PostgresOptions {
        PostgresOptions::at(self.0.database.url(), &self.0.folder.path().join("blobs"))
    }

    async fn node(&self) -> Arc<PostgresStore> {
        PostgresStore::open(self.options()).await.unwrap()
    }

    fn run(&self, sql: &str) -> String {
        Cluster::shared().run(self.0.database.name(), sql).unwrap()
    }

    /// Ends every connection, as a switch to another server does.
    fn disconnect(&self) {
        Cluster::shared().disconnect(self.0.database.name()).unwrap();
    }

    /// Takes away what came after a transaction, as if it had not been there when another server took over. Numbers are
    /// given again.
    fn lose_after(&self, pos: &str) {
        let newer = format!("SELECT DISTINCT no FROM event e JOIN feed f ON f.batch = e.batch WHERE f.pos > {pos}");
        self.run(&format!(
            "BEGIN; CREATE TEMPORARY TABLE lost AS {newer} AND NOT EXISTS (SELECT FROM event e2 JOIN feed f2 \
             ON f2.batch = e2.batch WHERE e2.no = e.no AND f2.pos <= {pos}); \
             DELETE FROM counter WHERE kind NOT IN (SELECT kind FROM job WHERE no NOT IN (SELECT no FROM lost)); \
             DELETE FROM event USING feed f WHERE f.batch = event.batch AND f.pos > {pos}; \
             DELETE FROM job WHERE no IN (SELECT no FROM lost); DELETE FROM spec WHERE no IN (SELECT no FROM lost); \
             DELETE FROM lease WHERE no IN (SELECT no FROM lost); DELETE FROM feed WHERE pos > {pos}; \
             DELETE FROM kind WHERE id NOT IN (SELECT kind FROM job); \
             SELECT setval('kind_id_seq', (SELECT max(id) FROM kind)); \
             SELECT setval('batch', (SELECT max(batch) FROM feed)); COMMIT"
        ));
    }

    async fn findings(&self) -> Vec<String> {
        let options = StoreOptions::Postgres(self.options());
        let (mut checkup, _) = doctor(&options, false).await.unwrap();
        let mut all = Vec::new();
        while let Some(page) = checkup.page().await.unwrap() {
            let broken = page.findings.into_iter().filter(|finding| finding.invariant != Invariant::Journal);
            all.extend(broken.map(|finding| format!("{finding:?}")));
        }
        all
    }
}

fn site() -> Site {
    Site(Base::new())
}

fn of_kind(kind: &str) -> NewJob {
    NewJob { kind: name(kind), ..new_job() }
}

async fn until(what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !fact().await {
        assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Submits until it is taken: in the moment of a change it may be refused.
async fn submit(store: &PostgresStore, new: NewJob) -> Job {
    let begin = Instant::now();
    loop {
        match store.apply(vec![Command::Submit(vec![new.clone()])]).await {
            Ok(replies) => {
                let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
                assert!(matches!(all[..], [Submitted::New(_)]));
                return all[0].job().clone();
            }
            Err(error @ (StoreError::Other(_) | StoreError::Unknown(_))) => {
                assert!(begin.elapsed() < LIMIT, "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn lease(store: &PostgresStore, kind: &str) -> Vec<LeaseRef> {
    let replies = store.apply(vec![Command::Lease(worker_asks(&[kind], 9))]).await.unwrap();
    let [Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
    leased.iter().map(|(job, _)| job.lease_ref()).collect()
}

async fn head(store: &PostgresStore) -> Cursor {
    store.feed_bounds().await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_noticed_and_its_numbers_mean_nothing_else() {
    let site = site();
    let nodes = [site.node().await, site.node().await];
    let kept = submit(&nodes[0], new_job()).await;
    let run = lease(&nodes[0], KIND).await[0];
    let (before, pos) = (head(&nodes[0]).await, site.run("SELECT max(pos) FROM feed"));
    let mut commits = nodes[1].commits();
    let lost = submit(&nodes[0], of_kind("lost")).await;
    let lost_run = lease(&nodes[0], "lost").await[0];
    let after = head(&nodes[1]).await;
    // Both know of it.
    until("all is told", async || commits.recv().await.unwrap().events.iter().any(|event| event.cursor == after)).await;
    site.disconnect();
    site.lose_after(&pos);

    // At once, before anybody may have noticed.
    let new = submit(&nodes[1], of_kind("new")).await;
    for node in &nodes {
        until("it is noticed", async || node.history_changes() == 1).await;
        assert_eq!(node.missing_events(), 2, "it was created, and started");
        assert!(node.is_void(after).await.unwrap() && !node.is_void(before).await.unwrap());
        assert!(!node.is_void(head(node).await).await.unwrap());
        assert!(node.began_in(run, 0).await.unwrap() && !node.began_in(lost_run, 0).await.unwrap());
        assert!(matches!(node.job(lost.id).await.unwrap(), Found::Unknown));
        let Found::Here(record) = node.job(new.id).await.unwrap() else { panic!("it is there") };
        assert_eq!(record.job.kind, name("new"));
        assert_eq!(node.jobs(Filter::default(), 9).await.unwrap().items.len(), 2);
        assert_eq!(node.renew(vec![raincheck_store::Renewal { lease: run, ttl: None }]).await.unwrap().len(), 1);
    }
    assert_eq!(lease(&nodes[0], "lost").await, []);
    let mut again = Vec::new();
    until("it is found", async || {
        again = lease(&nodes[0], "new").await;
        !again.is_empty()
    })
    .await;
    let again = again[0];
    assert!(nodes[0].began_in(again, nodes[0].history()).await.unwrap());
    assert!(!nodes[1].began_in(again, 0).await.unwrap(), "another lease of that number is none");
    // Whoever follows is told to read again, and hears of all that comes.
    let mut history_changed = false;
    until("it is told of", async || {
        let commit = commits.recv().await.unwrap();
        history_changed |= commit.history_changed;
        commit.events.iter().any(|event| event.job == new.id)
    })
    .await;
    assert!(history_changed);
    let page = nodes[0].events(before, &EventFilter::default(), 99).await.unwrap();
    assert!(page.items.iter().all(|event| event.job == new.id && event.cursor > after), "{page:#?}");
    assert!(site.run("SELECT lost FROM history WHERE first > 0").parse::<i64>().unwrap() >= after.0);
    let found = site.findings().await;
    let (lost, others): (Vec<_>, Vec<_>) = found.iter().partition(|finding| finding.contains("History"));
    assert!(lost.len() == 1 && lost[0].contains("events that were acknowledged are not there"), "{found:#?}");
    assert!(others.iter().all(|finding| finding.contains("Counters")), "{found:#?}");
    assert!(matches!(nodes[0].job(kept.id).await.unwrap(), Found::Here(_)));
    for node in nodes {
        node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_that_has_everything_is_gone_on_with() {
    let site = site();
    let nodes = [site.node().await, site.node().await];
    submit(&nodes[0], new_job()).await;
    let run = lease(&nodes[0], KIND).await[0];
    let before = head(&nodes[0]).await;
    // As the row would read on it.
    site.run("UPDATE history SET timeline = timeline + 1");
    site.disconnect();
    let next = submit(&nodes[0], of_kind("next")).await;
    for node in &nodes {
        until("it is noticed", async || node.history() > 0).await;
        assert_eq!((node.history_changes(), node.missing_events()), (0, 0));
        assert!(!node.is_void(before).await.unwrap() && node.began_in(run, 0).await.unwrap());
        let page = node.events(before, &EventFilter::default(), 9).await.unwrap();
        assert!(page.items.len() == 1 && page.items.iter().all(|event| event.job == next.id), "{page:#?}");
    }
    assert_eq!(site.run("SELECT count(*) FROM history"), "2", "one of them began it");
    assert_eq!(site.findings().await, Vec::<String>::new());
    for node in nodes {
        node.close().await;
    }
}

/// A copy was put back while no server ran, and nothing about the server tells so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_back_can_be_said_to_be() {
    let site = site();
    let node = site.node().await;
    submit(&node, new_job()).await;
    let (before, pos) = (head(&node).await, site.run("SELECT max(pos) FROM feed"));
    submit(&node, of_kind("lost")).await;
    let lost_run = lease(&node, "lost").await[0];
    let after = head(&node).await;
    node.close().await;
    site.lose_after(&pos);
    site.options().begin_anew().await.unwrap();

    let node = site.node().await;
    assert!(node.is_void(after).await.unwrap() && !node.is_void(before).await.unwrap());
    assert!(!node.began_in(lost_run, 0).await.unwrap());
    submit(&node, of_kind("new")).await;
    assert!(head(&node).await > after, "nothing comes to stand where something was");
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_kind_has_no_name_is_found() {
    let site = site();
    let node = site.node().await;
    let job = submit(&node, new_job()).await;
    node.close().await;
    site.run("UPDATE job SET kind = 77; UPDATE counter SET kind = 77");
    let found = site.findings().await;
    let names = found.iter().filter(|finding| finding.contains("INSERT INTO kind"));
    assert_eq!(names.filter(|finding| finding.contains(&job.id.to_string())).count(), 1, "{found:#?}");
}
