//! A database that does not answer, and nodes that were silent for so long that others count them as dead.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pgcluster::{Cluster, Settings, Stop};
use raincheck_core::{
    Command, Content, Cursor, LeaseJobs, LeaseRef, NewJob, Outcome, Overdue, Payload, Reply, Settle, State, Submitted,
};
use raincheck_store::conformance::{KIND, complete, new_job, worker_asks};
use raincheck_store::{
    EventFilter, Found, Overrun, PostgresOptions, PostgresStore, Renewal, Renewed, Store, StoreError,
};
use tempfile::TempDir;

use crate::folder;

/// How long anything may take that takes no time.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a caller waits at most for a database that does not answer; on a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);
const SIZE: usize = 300_000;

/// A server of one's own, and a folder of large payloads.
struct Site {
    cluster: Cluster,
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        Site { cluster: Cluster::start(Settings::default()).unwrap(), folder: folder::fresh() }
    }

    fn options(&self) -> PostgresOptions {
        PostgresOptions::at(self.cluster.url("postgres"), &self.folder.path().join("blobs"))
    }

    async fn node(&self) -> Arc<PostgresStore> {
        PostgresStore::open(self.options()).await.unwrap()
    }

    fn run(&self, sql: &str) -> String {
        self.cluster.run("postgres", sql).unwrap()
    }

    /// Locks a table as somebody would by hand, until [`Site::unlock`] or the end of the server.
    async fn lock(&self, table: &str, mode: &str) -> JoinHandle<()> {
        let (url, sql) =
            (self.cluster.url("postgres"), format!("BEGIN; LOCK TABLE {table} IN {mode} MODE; SELECT pg_sleep(600)"));
        let locker = std::thread::spawn(move || {
            // How it ends is whoever unlocks' affair.
            let _ = std::process::Command::new("psql").args(["--no-psqlrc", "-qc", &sql, &url]).output();
        });
        let held = format!(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
             WHERE l.relation = '{table}'::regclass AND l.granted AND a.query LIKE '%pg_sleep(600)'"
        );
        until("the lock", async || self.run(&held) != "0").await;
        locker
    }

    fn unlock(&self, locker: JoinHandle<()>) {
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()",
        );
        locker.join().unwrap();
    }
}

async fn until(what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !fact().await {
        assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn submit(store: &PostgresStore, new: NewJob) -> Result<raincheck_core::Job, StoreError> {
    let replies = store.apply(vec![Command::Submit(vec![new])]).await?;
    let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
    assert!(matches!(all[..], [Submitted::New(_)]));
    Ok(all[0].job().clone())
}

/// A job with a payload that has been kept, and is not written down yet.
async fn with_payload(store: &PostgresStore) -> (NewJob, Box<str>) {
    let name = store.blobs().keep(Bytes::from(vec![7; SIZE])).await.unwrap();
    let mut new = new_job();
    new.spec.input = Content { payload: Payload::Blob { name: name.clone(), size: SIZE as u64 }, ..Content::default() };
    (new, name)
}

async fn leased(store: &PostgresStore, ttl: i64) -> LeaseRef {
    let request = LeaseJobs { ttl, ..worker_asks(&[KIND], 1) };
    let replies = store.apply(vec![Command::Lease(request)]).await.unwrap();
    let [Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
    leased[0].0.lease_ref()
}

/// A node goes on after others counted it as dead, with a payload in hand that was taken for an orphan meanwhile. It does
/// not acknowledge that one; it takes another number, and loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_swept_while_a_node_was_silent_is_not_acknowledged() {
    let site = Site::new();
    let silent = site.node().await;
    let kept = submit(&silent, with_payload(&silent).await.0).await.unwrap();
    let (in_hand, name) = with_payload(&silent).await;
    // It cannot show that it lives, and a minute goes by.
    let locker = site.lock("life", "EXCLUSIVE").await;
    site.run("UPDATE node SET seen_at = seen_at - 61000");
    let other = site.node().await;
    assert_eq!(site.run("SELECT count(*) FROM node"), "1", "the silent one is not among those that serve");
    assert!(silent.blobs().size(&name).await.is_err(), "nobody refers to it");

    let refused = submit(&silent, in_hand.clone()).await;
    assert!(matches!(&refused, Err(StoreError::Other(why)) if why.contains("sent again")), "{refused:?}");
    assert_eq!(site.run("SELECT count(*) FROM job"), "1", "what was refused is not there");
    assert_eq!(site.run("SELECT count(*) FROM node"), "2", "it goes on under another number");
    // Sent again, it is taken, and is there.
    let (again, name) = with_payload(&silent).await;
    submit(&silent, again).await.unwrap();
    submit(&other, new_job()).await.unwrap();
    for store in [&silent, &other] {
        assert_eq!(store.blobs().size(&name).await.unwrap(), SIZE as u64);
        let input = store.input(kept.no).await.unwrap().unwrap();
        let Payload::Blob { name, .. } = input.payload else { panic!("{input:?}") };
        assert_eq!(store.blobs().size(&name).await.unwrap(), SIZE as u64);
        assert_eq!(store.refused_writes(), 0);
    }
    site.unlock(locker);
    silent.close().await;
    other.close().await;
}

/// A node that counts as dead has a transaction under way. It is ended: nothing of it comes to be afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_node_has_under_way_is_ended() {
    let site = Site::new();
    let silent = site.node().await;
    submit(&silent, new_job()).await.unwrap();
    let (in_hand, name) = with_payload(&silent).await;
    let lockers = [site.lock("life", "EXCLUSIVE").await, site.lock("event", "EXCLUSIVE").await];
    let asked = tokio::spawn({
        let silent = silent.clone();
        async move { submit(&silent, in_hand).await }
    });
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO event%' AND wait_event_type = 'Lock'";
    until("it is under way", async || site.run(waits) != "0").await;
    site.run("UPDATE node SET seen_at = seen_at - 61000");
    let other = site.node().await;
    assert!(silent.blobs().size(&name).await.is_err(), "whoever comes first sweeps everything");
    for locker in lockers {
        site.unlock(locker);
    }
    let refused = asked.await.unwrap();
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(site.run("SELECT count(*) FROM job"), "1");
    silent.close().await;
    other.close().await;
}

/// Whoever wants something of a database that does not answer is told within seconds, and all goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_long_for_a_database_that_does_not_answer() {
    let site = Site::new();
    let store = site.node().await;
    let other = site.node().await;
    let job = submit(&store, new_job()).await.unwrap();
    let lease = leased(&store, 60_000).await;
    site.cluster.freeze().unwrap();
    for _ in 0..2 {
        let begin = Instant::now();
        let renewal = vec![Renewal { lease, ttl: None }];
        let filter = EventFilter::default();
        let settle = vec![Command::Settle(Settle { lease, outcome: complete("1") })];
        let (submitted, ended, read, renewed, over, events) = tokio::join!(
            submit(&store, new_job()),
            store.apply(settle),
            store.job(job.id),
            store.renew(renewal),
            store.overdue(9),
            store.events(Cursor::default(), &filter, 9),
        );
        assert!(submitted.is_err() && ended.is_err() && read.is_err() && renewed.is_err() && over.is_err());
        assert!(events.is_err());
        assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
        until("it is not ready", async || store.health().is_err()).await;
    }
    // Nor does a node start on it, or stay for it.
    let begin = Instant::now();
    let started = PostgresStore::open(site.options()).await;
    assert!(started.is_err() && begin.elapsed() < 2 * PATIENCE, "{:?}", begin.elapsed());
    let begin = Instant::now();
    other.close().await;
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());

    site.cluster.thaw().unwrap();
    until("it is ready again", async || store.health().is_ok()).await;
    submit(&store, new_job()).await.unwrap();
    assert!(matches!(store.job(job.id).await, Ok(Found::Here(_))));
    // What was answered by an error is not there, but for those of whom nobody could know.
    let events = store.events(Cursor::default(), &EventFilter::default(), 99).await.unwrap().items;
    assert!(events.len() <= 5, "{events:#?}");
    assert_eq!(store.refused_writes(), 0);
    store.close().await;
}

/// A commit takes for ever. Its caller is told that it was not done, which is so from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_not_answered_is_ended_before_anything_else_is_written() {
    let site = Site::new();
    let store = site.node().await;
    submit(&store, new_job()).await.unwrap();
    site.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON job DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
         EXECUTE FUNCTION slow()",
    );
    let begin = Instant::now();
    let refused = submit(&store, new_job()).await;
    assert!(matches!(refused, Err(StoreError::Other(_))), "{refused:?}");
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    assert_eq!(site.run(sleeping), "0", "it may still be done");
    site.run("DROP TRIGGER slow ON job");
    submit(&store, new_job()).await.unwrap();
    assert_eq!(site.run("SELECT count(*) FROM job"), "2");
    until("it is ready again", async || store.health().is_ok()).await;
    store.close().await;
}

/// The same while somebody has locked a table; and those who gave up leave nothing behind that waits on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_long_for_somebodys_lock() {
    let site = Site::new();
    let store = site.node().await;
    let job = submit(&store, new_job()).await.unwrap();
    let locker = site.lock("job", "ACCESS EXCLUSIVE").await;
    for _ in 0..3 {
        let begin = Instant::now();
        let (submitted, read) = tokio::join!(submit(&store, new_job()), async {
            let reads = (0..20).map(|_| store.job(job.id));
            futures_util::future::join_all(reads).await
        });
        assert!(submitted.is_err() && read.iter().all(Result::is_err));
        assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    }
    until("it is not ready", async || store.health().is_err()).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raincheck'";
    until("what was given up ends", async || site.run(waiting).parse::<u32>().unwrap() <= 20).await;
    site.unlock(locker);
    until("it is ready again", async || store.health().is_ok()).await;
    submit(&store, new_job()).await.unwrap();
    assert!(matches!(store.job(job.id).await, Ok(Found::Here(_))));
    assert_eq!(site.run("SELECT count(*) FROM job"), "2", "what was refused is not there");
    store.close().await;
}

/// Reads are answered and nothing can be written: that does not make it ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_show_that_it_lives_is_not_ready() {
    let site = Site::new();
    let store = site.node().await;
    let job = submit(&store, new_job()).await.unwrap();
    let locker = site.lock("life", "EXCLUSIVE").await;
    until("it is not ready", async || store.health().is_err()).await;
    // For longer than it takes to look what other nodes did.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        assert!(matches!(store.job(job.id).await, Ok(Found::Here(_))));
        assert!(store.health().is_err());
    }
    site.unlock(locker);
    until("it is ready again", async || store.health().is_ok()).await;
    store.close().await;
}

/// The database is away for longer than leases last: workers that are there after it lose none. A run that had no time for
/// that is over, once what its worker sent meanwhile can have been heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_outlive_a_database_that_was_away() {
    for crash in [false, true] {
        let site = Site::new();
        let nodes = [site.node().await, site.node().await];
        submit(&nodes[0], new_job()).await.unwrap();
        let lease = leased(&nodes[0], 4_000).await;
        submit(&nodes[0], NewJob { timeout: 6_000, ..new_job() }).await.unwrap();
        let limited = leased(&nodes[0], 30_000).await;
        if crash {
            site.cluster.stop(Stop::Immediate).unwrap();
        } else {
            site.cluster.freeze().unwrap();
        }
        // Longer than the lease, and than nodes need to notice that nobody could be heard.
        tokio::time::sleep(Duration::from_secs(8)).await;
        if crash {
            site.cluster.resume().unwrap();
        } else {
            site.cluster.thaw().unwrap();
        }
        let too_long = Overrun { lease: limited, why: Overdue::TimedOut };
        let found = async |node: &PostgresStore| node.overdue(9).await.ok();
        // The sweep of either node comes first, be it with what it had found before.
        for node in &nodes {
            let is_asked = async || found(node).await.is_some_and(|over| over.iter().all(|over| *over == too_long));
            until("it is asked", is_asked).await;
            let settle = Settle { lease, outcome: Outcome::Lost };
            let replies = node.apply(vec![Command::Settle(settle)]).await.unwrap();
            assert!(matches!(&replies[..], [Reply::Job(job)] if job.state == State::Running), "{replies:?}");
        }
        // Its worker need not be the first who is heard again: the lease has left what it had.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            for node in &nodes {
                assert!(node.overdue(9).await.unwrap().iter().all(|over| *over == too_long));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(3) {
            for node in &nodes {
                let renewed = node.renew(vec![Renewal { lease, ttl: None }]).await.unwrap();
                assert!(matches!(renewed[..], [Renewed::Extended { .. }]), "{renewed:?}");
                assert!(node.overdue(9).await.unwrap().iter().all(|over| *over == too_long));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(nodes[0].overdue(9).await.unwrap(), [too_long], "its lease had ten times as much left");
        let settle = Settle { lease: limited, outcome: Outcome::TimedOut };
        let replies = nodes[0].apply(vec![Command::Settle(settle)]).await.unwrap();
        assert!(matches!(&replies[..], [Reply::Job(job)] if job.failures == 1), "{replies:?}");
        // A worker that is not there is found out as ever.
        until("the lease ends", async || found(&nodes[1]).await.is_some_and(|over| !over.is_empty())).await;
        for node in nodes {
            node.close().await;
        }
    }
}

/// The only node is killed, and another is there soon: nobody could send heartbeats meanwhile. The shortest lease goes on, one
/// that was handed over has the longer length that it was given, and a run that had no time for that is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_restart_loses_no_short_lease() {
    let site = Site::new();
    for away in [600, 1_300, 2_500] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = site.options();
        let killed = runtime.spawn(async move {
            let node = PostgresStore::open(options).await.unwrap();
            for timeout in [60_000, 60_000, 2_000] {
                submit(&node, NewJob { timeout, ..new_job() }).await.unwrap();
            }
            let runs = [leased(&node, 2_000).await, leased(&node, 2_000).await, leased(&node, 30_000).await];
            node.apply(vec![Command::Extend(runs[1], 50_000)]).await.unwrap();
            let renewals = [runs[0], runs[1]].map(|lease| Renewal { lease, ttl: Some(2_000) });
            // At the pace that it is told, with one heartbeat behind it when the server goes.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let renewed = node.renew(renewals.into()).await.unwrap();
            assert!(renewed.iter().all(|renewed| matches!(renewed, Renewed::Extended { ttl: 2_000, .. })));
            tokio::time::sleep(Duration::from_millis(600)).await;
            runs
        });
        let [short, handed_over, limited] = killed.await.unwrap();
        runtime.shutdown_background();
        tokio::time::sleep(Duration::from_millis(away)).await;

        let node = site.node().await;
        let found = node.overdue(9).await.unwrap();
        assert!(found.iter().all(|over| over.lease == limited), "after {away} ms: {found:?}");
        let standing = node.leases(vec![short, handed_over]).await.unwrap();
        let left = |stands: &Renewed| if let Renewed::Extended { ttl, .. } = stands { *ttl } else { 0 };
        assert!(left(&standing[0]) > 500, "{standing:?} after {away} ms");
        // The one who was there a moment ago may go on to be there: the length that was asked for last holds.
        assert!(away < 1_000 || left(&standing[1]) > 30_000, "{standing:?} after {away} ms");
        let renewed = node.renew(vec![Renewal { lease: short, ttl: None }]).await.unwrap();
        assert!(matches!(renewed[..], [Renewed::Extended { .. }]), "{renewed:?}");
        let too_long = Overrun { lease: limited, why: Overdue::TimedOut };
        until("it took too long", async || node.overdue(9).await.is_ok_and(|over| over.contains(&too_long))).await;
        for lease in [short, handed_over, limited] {
            let replies = node.apply(vec![Command::Settle(Settle { lease, outcome: complete("1") })]).await.unwrap();
            assert!(matches!(&replies[..], [Reply::Job(job)] if job.state == State::Succeeded), "late is not lost");
        }
        node.close().await;
    }
}

/// The database stalls for less long than a lease lasts, and for longer than it has left: no node is to blame, nor a worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_stall_loses_no_short_lease() {
    let site = Site::new();
    let nodes = [site.node().await, site.node().await];
    submit(&nodes[0], new_job()).await.unwrap();
    let lease = leased(&nodes[0], 2_000).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    site.cluster.freeze().unwrap();
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    site.cluster.thaw().unwrap();
    for node in &nodes {
        assert_eq!(node.overdue(9).await.unwrap(), []);
        let settle = Settle { lease, outcome: Outcome::Lost };
        let replies = node.apply(vec![Command::Settle(settle)]).await.unwrap();
        assert!(matches!(&replies[..], [Reply::Job(job)] if job.state == State::Running), "{replies:?}");
    }
    let renewed = nodes[1].renew(vec![Renewal { lease, ttl: None }]).await.unwrap();
    assert!(matches!(renewed[..], [Renewed::Extended { .. }]), "{renewed:?}");
    for node in nodes {
        node.close().await;
    }
}

/// A killed node keeps its number for a minute: a start that finds none free waits for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_number() {
    let site = Site::new();
    site.node().await.close().await;
    site.run("INSERT INTO node SELECT n, gen_random_uuid(), 1e15 FROM generate_series(0, 63) n");
    let options = site.options();
    let starting = tokio::spawn(async move { PostgresStore::open(options).await.unwrap() });
    let asks = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FROM node%' AND pid <> pg_backend_pid()";
    until("the start asks for one", async || site.run(asks) != "0").await;
    site.run("DELETE FROM node WHERE number = 63");
    starting.await.unwrap().close().await;
}

/// A node that starts gives every lease its time, while somebody changes them in another order: the database ends one of the
/// two, and the start is none that fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_ends_no_start() {
    let site = Site::new();
    let before = site.node().await;
    for _ in 0..2 {
        submit(&before, new_job()).await.unwrap();
    }
    let leases = [leased(&before, 60_000).await, leased(&before, 60_000).await];
    before.close().await;
    let (other, connection) =
        tokio_postgres::connect(&site.cluster.url("postgres"), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let lock = async |at: usize| {
        other.batch_execute(&format!("UPDATE lease SET cancel = cancel WHERE no = {}", leases[at].no.0)).await.unwrap();
    };
    // It is the start that finds out.
    other.batch_execute("BEGIN; SET LOCAL deadlock_timeout = '1min'").await.unwrap();
    lock(1).await;
    let options = site.options();
    let starting = tokio::spawn(async move { PostgresStore::open(options).await.unwrap() });
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE lease l%'";
    until("the start waits", async || site.run(waits) == "1").await;
    lock(0).await;
    other.batch_execute("COMMIT").await.unwrap();
    let node = starting.await.unwrap();
    let standing = node.leases(leases.into()).await.unwrap();
    assert!(standing.iter().all(|one| matches!(one, Renewed::Extended { .. })), "{standing:?}");
    node.close().await;
    drop(other);
    connection.await.unwrap().unwrap();
}
