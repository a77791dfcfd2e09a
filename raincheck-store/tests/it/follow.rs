//! What follows from a decision, where a store meets more than itself: rows that something else changed, other nodes, and a
//! move from one store to the other.

use std::sync::Arc;

use raincheck_core::interpreter::{FollowUp, Following};
use raincheck_core::{Cancel, Command, Job, NewJob, Reply, State, SteppedClock, Submitted, Timestamp};
use raincheck_sim::ask;
use raincheck_store::conformance::{Place, Setup, new_job};
use raincheck_store::{Invariant, PostgresOptions, PostgresStore, Store, migrate};

use crate::folder::Folder;
use crate::postgres::Base;

const FOLLOWING: Following = Following { rule: Some(ask::follows), rounds: 8, most: 512 };

fn setup(following: Following) -> Setup {
    Setup {
        clock: Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000))),
        seed: 1,
        max_queued: 1_000,
        max_in_all: 1_000,
        tombstone: 60_000,
        feed: Default::default(),
        following,
    }
}

async fn submit(store: &dyn Store, new: NewJob) -> Job {
    match store.apply(vec![Command::Submit(vec![new])]).await.unwrap().remove(0) {
        Reply::Submitted(mut all) => match all.remove(0) {
            Submitted::New(job) => job,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

async fn waits(store: &dyn Store) -> Job {
    submit(store, NewJob { delay: 86_400_000, ..new_job() }).await
}

/// A job from whose end this follows.
async fn then(store: &dyn Store, follow_up: FollowUp, number: u32) -> Job {
    submit(store, NewJob { id: Some(ask::then(follow_up, number)), ..new_job() }).await
}

fn cancel(job: &Job) -> Command {
    Command::Cancel(Cancel { no: job.no, force: false, seq: None })
}

async fn stands(store: &dyn Store, job: &Job) -> (State, u32) {
    let job = store.record(job.no).await.unwrap().unwrap().job;
    (job.state, job.seq)
}

async fn catch_up(store: &dyn Store) -> usize {
    match store.apply(vec![Command::CatchUp(512)]).await.unwrap().remove(0) {
        Reply::Swept(count, _) => count,
        other => panic!("{other:?}"),
    }
}

/// When what follows can't be written, nothing of the transaction is; when it can, all of it is.
async fn all_or_nothing(store: &dyn Store, run: impl Fn(&str)) {
    let waits = waits(store).await;
    let first = then(store, FollowUp::RunNow(waits.no), 1).await;
    // Something else wrote the event that the job would come to.
    let at = format!("no = {} AND seq", waits.no.0);
    run(&format!("INSERT INTO event SELECT 99, no, 2, 1, 1, 0, at, NULL FROM event WHERE {at} = 1"));
    assert!(store.apply(vec![cancel(&first)]).await.is_err());
    assert_eq!((stands(store, &first).await, stands(store, &waits).await), ((State::Queued, 1), (State::Scheduled, 1)));
    assert_eq!((store.refused_writes(), store.is_left_over()), (1, false));
    run(&format!("DELETE FROM event WHERE {at} = 2"));
    store.apply(vec![cancel(&first)]).await.unwrap();
    assert_eq!((stands(store, &first).await, stands(store, &waits).await), ((State::Canceled, 2), (State::Queued, 2)));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_written_on_sqlite_or_nothing() {
    let folder = Folder::new();
    let store = folder.open(&setup(FOLLOWING)).await.unwrap();
    let path = folder.options(&setup(FOLLOWING)).path;
    all_or_nothing(&*store, |sql| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_written_on_postgresql_or_nothing() {
    let base = Base::new();
    let store = base.open(&setup(FOLLOWING)).await.unwrap();
    let run = |sql: &str| {
        // Here an event has a batch and a place in it.
        base.database.run(&sql.replace("SELECT 99,", "SELECT 0, 0,")).unwrap();
    };
    all_or_nothing(&*store, run).await;
}

/// What was left over before a move is caught up with after it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_over_moves_too() {
    let (folder, base) = (Folder::new(), Base::new());
    let none = setup(Following { most: 0, ..FOLLOWING });
    let store = folder.open(&none).await.unwrap();
    let (promoted, canceled) = (waits(&*store).await, waits(&*store).await);
    let ends = [FollowUp::RunNow(promoted.no), FollowUp::Cancel(canceled.no)];
    for (number, follow_up) in (0..).zip(ends) {
        let first = then(&*store, follow_up, number).await;
        store.apply(vec![cancel(&first)]).await.unwrap();
    }
    assert!(store.is_left_over());
    store.close().await;
    migrate(folder.options(&none), base.options(&none), |_, _| ()).await.unwrap();
    let store = base.open(&setup(FOLLOWING)).await.unwrap();
    assert!(store.is_left_over());
    assert_eq!(catch_up(&*store).await, 2);
    assert_eq!(stands(&*store, &promoted).await, (State::Queued, 2));
    assert_eq!(stands(&*store, &canceled).await, (State::Canceled, 2));
    assert!(!store.is_left_over());
    store.close().await;
}

/// A row that says nothing that may follow is not passed over in silence.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_follow_is_told() {
    let (folder, base) = (Folder::new(), Base::new());
    let path = folder.options(&setup(FOLLOWING)).path;
    let (sqlite, postgres) =
        (folder.open(&setup(FOLLOWING)).await.unwrap(), base.open(&setup(FOLLOWING)).await.unwrap());
    let wrong = "INSERT INTO follow_up (what, no) VALUES (9, 1)";
    rusqlite::Connection::open(path).unwrap().execute_batch(wrong).unwrap();
    base.database.run(wrong).unwrap();
    for store in [sqlite, postgres] {
        assert!(store.apply(vec![Command::CatchUp(512)]).await.is_err());
        let mut checkup = store.check().unwrap();
        let mut found = Vec::new();
        while let Some(page) = checkup.page().await.unwrap() {
            found.extend(page.findings.into_iter().map(|finding| (finding.invariant, finding.detail)));
        }
        assert_eq!(found, [(Invariant::FollowUps, "9 may not follow".into())]);
        store.close().await;
    }
}

async fn node(base: &Base) -> Arc<PostgresStore> {
    let options = PostgresOptions::at(base.database.url(), &base.folder.path().join("blobs"));
    PostgresStore::open(PostgresOptions { following: FOLLOWING, ..options }).await.unwrap()
}

/// Nobody waits for a job that somebody else is at: what follows for it is left over, and another node may take it up.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_is_at_is_left_over() {
    let base = Base::new();
    let (one, other) = (node(&base).await, node(&base).await);
    let (waits, free) = (waits(&*one).await, waits(&*one).await);
    let ends = [then(&*one, FollowUp::RunNow(waits.no), 1).await, then(&*one, FollowUp::RunNow(free.no), 2).await];
    let (mut stranger, connection) =
        tokio_postgres::connect(&base.database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let held = stranger.transaction().await.unwrap();
    held.query("SELECT FROM job WHERE no = $1 FOR UPDATE", &[&waits.no.0]).await.unwrap();
    one.apply(ends.iter().map(cancel).collect()).await.unwrap();
    assert_eq!(stands(&*one, &free).await, (State::Queued, 2));
    assert_eq!((stands(&*one, &waits).await, one.is_left_over()), ((State::Scheduled, 1), true));
    assert_eq!((catch_up(&*one).await, one.is_left_over()), (0, true), "it is still left over");
    held.rollback().await.unwrap();
    assert_eq!(catch_up(&*other).await, 1);
    assert_eq!(stands(&*one, &waits).await, (State::Queued, 2));
    assert_eq!((catch_up(&*one).await, one.is_left_over()), (0, false));
    one.close().await;
    other.close().await;
}

/// Two nodes that are at the same jobs, one by what follows, the other by their numbers, never wait for each other in a
/// circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_do_not_lock_each_other_out() {
    let base = Base::new();
    let (one, other) = (node(&base).await, node(&base).await);
    let mut jobs = Vec::new();
    for number in 0..60 {
        // The second is locked before the first by whoever goes by the numbers.
        let second = submit(&*one, new_job()).await;
        let first = then(&*one, FollowUp::Cancel(second.no), number).await;
        jobs.push((first, second));
    }
    for (first, second) in &jobs {
        let both = async { other.apply(vec![cancel(first), cancel(second)]).await.unwrap() };
        tokio::join!(async { one.apply(vec![cancel(first)]).await.unwrap() }, both);
    }
    while catch_up(&*one).await > 0 {}
    for (first, second) in &jobs {
        assert_eq!([stands(&*one, first).await, stands(&*one, second).await], [(State::Canceled, 2); 2]);
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    one.close().await;
    other.close().await;
    assert_eq!(base.database.run(deadlocks).unwrap().trim(), "0");
}
