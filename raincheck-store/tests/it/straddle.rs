//! Two servers that both take writes: one has taken over, and the one before goes on. All connections of a node are to one
//! of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgcluster::{Cluster, Proxy, Replication, Settings, Stop};
use raincheck_core::{Command, Job, Reply};
use raincheck_store::conformance::new_job;
use raincheck_store::{Found, PostgresOptions, PostgresStore, Store, StoreError, StoreOptions, doctor};
use tempfile::TempDir;

use crate::folder;

/// How long anything may take that takes no time.
const LIMIT: Duration = Duration::from_secs(60);
const OF_NODES: &str = "datname = 'postgres' AND application_name = 'raincheck'";

struct Site {
    old: Cluster,
    new: Cluster,
    folder: TempDir,
}

impl Site {
    fn new(replication: Replication) -> Site {
        let old = Cluster::start(Settings::default()).unwrap();
        let new = old.standby(replication).unwrap();
        Site { old, new, folder: folder::fresh() }
    }

    fn options(&self, url: &str) -> PostgresOptions {
        PostgresOptions::at(url, &self.folder.path().join("blobs"))
    }

    /// Both servers, the one first that is replaced.
    fn both(&self) -> PostgresOptions {
        let (old, new) = (self.old.port(), self.new.port());
        self.options(&format!("postgres://{}@127.0.0.1:{old},127.0.0.1:{new}/postgres", pgcluster::USER))
    }

    fn take_over(&self) {
        self.new.catch_up(&self.old).unwrap();
        self.new.promote().unwrap();
    }

    /// What was written on the one that is replaced, by whomever.
    fn written_on_old(&self) -> String {
        run(&self.old, "SELECT max(pos), (SELECT count(*) FROM node), (SELECT max(seen_at) FROM node) FROM feed")
    }
}

fn run(cluster: &Cluster, sql: &str) -> String {
    cluster.run("postgres", sql).unwrap()
}

/// The connections of nodes to a server.
fn connections(cluster: &Cluster) -> Vec<String> {
    let all = run(cluster, &format!("SELECT pid FROM pg_stat_activity WHERE {OF_NODES} ORDER BY 1"));
    all.lines().map(str::to_owned).collect()
}

async fn until(what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !fact().await {
        assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Submits until it is taken.
async fn submit(store: &PostgresStore) -> Job {
    let begin = Instant::now();
    loop {
        match store.apply(vec![Command::Submit(vec![new_job()])]).await {
            Ok(replies) => {
                let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
                return all[0].job().clone();
            }
            Err(error) => assert!(begin.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Submits some, and sees to it that the node shows that it lives.
async fn goes_on(node: &PostgresStore, on: &Cluster) -> Vec<Job> {
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(submit(node).await);
    }
    let seen = || run(on, "SELECT max(seen_at) FROM node");
    let before = seen();
    until("it shows that it lives", async || seen() != before && node.health().is_ok()).await;
    jobs
}

async fn has_all(node: &PostgresStore, jobs: &[Job]) {
    for job in jobs {
        assert!(matches!(node.job(job.id).await.unwrap(), Found::Here(_)), "{job:?}");
    }
}

/// The old one is started again beside the new one, takes writes, and is named first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_goes_to_a_server_that_was_replaced() {
    let site = Site::new(Replication::Asynchronous);
    let node = PostgresStore::open(site.both()).await.unwrap();
    let mut jobs = goes_on(&node, &site.old).await;
    site.new.catch_up(&site.old).unwrap();
    site.old.stop(Stop::Fast).unwrap();
    let error = doctor(&StoreOptions::Postgres(site.both()), true).await.err().unwrap().to_string();
    for (port, says) in [(site.old.port(), "Connection refused"), (site.new.port(), "it is a standby, or read-only")] {
        assert!(error.contains(&format!("127.0.0.1:{port}: {says}")), "{error}");
    }
    site.new.promote().unwrap();
    jobs.extend(goes_on(&node, &site.new).await);
    site.old.resume().unwrap();
    let written = site.written_on_old();

    for connection in connections(&site.new) {
        run(&site.new, &format!("SELECT pg_terminate_backend({connection})"));
        jobs.push(submit(&node).await);
        assert_eq!(connections(&site.old), Vec::<String>::new());
    }
    jobs.extend(goes_on(&node, &site.new).await);
    // With none left it is chosen anew.
    site.new.disconnect("postgres").unwrap();
    jobs.extend(goes_on(&node, &site.new).await);
    assert_eq!((connections(&site.old), site.written_on_old()), (Vec::new(), written));
    assert_eq!((node.timeline(), node.history_changes()), (Some(2), 0));
    has_all(&node, &jobs).await;

    // Who looks from outside comes to the same one.
    let (mut checkup, _) = doctor(&StoreOptions::Postgres(site.both()), true).await.unwrap();
    let mut notes = String::new();
    while let Some(page) = checkup.page().await.unwrap() {
        notes.extend(page.notes.iter().map(|(_, note)| format!("{note}\n")));
    }
    assert!(notes.contains(&format!("127.0.0.1:{} has history 2, of timeline 2", site.new.port())), "{notes}");
    node.close().await;
}

/// New connections are led to the one that took over, and the old ones stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_to_the_server_that_took_over_as_a_whole_and_not_back() {
    let site = Site::new(Replication::Asynchronous);
    let way = Proxy::to(site.old.port()).unwrap();
    let node = PostgresStore::open(site.options(&way.url("postgres"))).await.unwrap();
    let mut jobs = goes_on(&node, &site.old).await;
    site.take_over();
    way.lead(site.new.port());
    // The sign of life needs another one by itself.
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity";
    let cut = format!("{cut} WHERE {OF_NODES} AND query LIKE '%UPDATE life%') those");
    assert_eq!(run(&site.old, &cut), "1");
    until("it has left", async || {
        let is_there = !connections(&site.new).is_empty();
        is_there && connections(&site.old).is_empty()
    })
    .await;
    let (written, acknowledged) = (site.written_on_old(), goes_on(&node, &site.new).await);
    has_all(&node, &acknowledged).await;
    jobs.extend(acknowledged);

    // As long as a connection to it lives, none goes elsewhere.
    way.lead(site.old.port());
    assert_eq!(run(&site.new, &cut), "1");
    until("it says why", async || {
        node.health().is_err_and(|error| error.to_string().contains("an older server (timeline 1)"))
    })
    .await;
    way.lead(site.new.port());
    jobs.extend(goes_on(&node, &site.new).await);
    assert_eq!((connections(&site.old), site.written_on_old()), (Vec::new(), written));
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_for_a_standby_are_told_of() {
    let site = Site::new(Replication::Synchronous);
    let options = site.options(&site.old.url("postgres"));
    let node: Arc<PostgresStore> = PostgresStore::open(options.clone()).await.unwrap();
    goes_on(&node, &site.old).await;
    site.new.stop(Stop::Fast).unwrap();
    let refused = node.apply(vec![Command::Submit(vec![new_job()])]).await;
    assert!(matches!(refused, Err(StoreError::Unknown(_) | StoreError::Other(_))), "{refused:?}");
    let why = "commits wait for a synchronous standby, and none confirms them";
    until("it says why", async || node.health().is_err_and(|error| error.to_string().contains(why))).await;
    let (mut checkup, _) = doctor(&StoreOptions::Postgres(options), true).await.unwrap();
    let mut notes = String::new();
    while let Some(page) = checkup.page().await.unwrap() {
        notes.extend(page.notes.iter().map(|(_, note)| format!("{note}\n")));
    }
    assert!(notes.contains("and none confirms them"), "{notes}");
    site.old.wait_for_nobody().unwrap();
    goes_on(&node, &site.old).await;
    node.close().await;
}
