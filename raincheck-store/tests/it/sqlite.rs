//! What is the store on SQLite's own: one process at a time, formats, and transactions that fail.

use std::path::Path;
use std::sync::Arc;

use raincheck_core::{Command, Content, NewJob, Payload, Reply, State, SteppedClock, Timestamp};
use raincheck_store::conformance::{new_job, new_of};
use raincheck_store::{SqliteOptions, SqliteStore, Store, StoreError};

fn options(folder: &Path) -> SqliteOptions {
    let clock = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000)));
    SqliteOptions { clock, seed: Some(1), reserve_bytes: 0, ..SqliteOptions::in_folder(folder) }
}

#[tokio::test]
async fn one_folder_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(options(folder.path())).unwrap();
    let half_written = first.blobs().create().unwrap();
    let second = SqliteStore::open(options(folder.path()));
    assert!(matches!(second.map(|_| ()), Err(StoreError::InUse(_))));
    half_written.finish().expect("the second one touched nothing");
    first.close().await;
    SqliteStore::open(options(folder.path())).unwrap().close().await;
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    SqliteStore::open(options(folder.path())).unwrap().close().await;
    let db = rusqlite::Connection::open(folder.path().join("raincheck.db")).unwrap();
    let newer = "INSERT INTO refinery_schema_history SELECT 9000, 'later', applied_on, checksum FROM refinery_schema_history LIMIT 1";
    db.execute(newer, []).unwrap();
    let refused = SqliteStore::open(options(folder.path())).map(|_| ());
    assert!(matches!(refused, Err(StoreError::TooNew { found: 9000, known }) if known < 9000), "{refused:?}");
    db.execute("DELETE FROM refinery_schema_history WHERE version=9000", []).unwrap();
    SqliteStore::open(options(folder.path())).unwrap().close().await;
}

/// A command the database refuses fails the transaction it is in, and nothing else.
#[tokio::test]
async fn a_failed_transaction_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(folder.path())).unwrap();
    let mut commits = store.commits();
    let file = |new: NewJob| {
        let mut new = new;
        let payload = Payload::Blob { name: "one-file-of-two-jobs".into(), size: 1 };
        new.spec.input = Content { payload, ..Content::default() };
        Command::Submit(vec![new])
    };
    store.apply(vec![file(NewJob { delay: 1_000, ..new_job() })]).await.unwrap();
    let (due, bounds) = (store.next_due(), store.feed_bounds().await.unwrap());
    let commands = vec![
        Command::RunNow(commits.recv().await.unwrap().events[0].no),
        Command::Promote(9),
        Command::Submit(vec![new_of("new", "new")]),
        file(new_job()),
    ];
    assert!(store.apply(commands).await.is_err());
    assert_eq!((store.next_due(), store.feed_bounds().await.unwrap()), (due, bounds), "the job is due as before");
    assert_eq!(store.jobs(Default::default(), 9).await.unwrap().items.len(), 1);
    assert_eq!(store.figures().await.unwrap().queues.len(), 1);
    assert!(commits.try_recv().is_err());
    assert_eq!(store.refused_writes(), 1);
    let replies = store.apply(vec![Command::Submit(vec![new_of("new", "new")])]).await.unwrap();
    assert!(matches!(replies[..], [Reply::Submitted(_)]));
    assert_eq!(commits.recv().await.unwrap().events[0].cursor.0, bounds.0.0 + 1);
    assert_eq!(store.figures().await.unwrap().kinds.len(), 2);
    store.close().await;
}

#[tokio::test]
async fn little_space_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions { reserve_bytes: u64::MAX, ..options(folder.path()) }).unwrap();
    let (free, low) = store.space();
    assert!(free > 0 && low);
    store.close().await;
}

/// Rows that something else changed do not lead to more that is wrong.
#[tokio::test]
async fn what_would_break_a_promise_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(folder.path())).unwrap();
    let mut commits = store.commits();
    store.apply(vec![Command::Submit(vec![NewJob { delay: 1_000, ..new_job() }])]).await.unwrap();
    let no = commits.recv().await.unwrap().events[0].no;
    let other = rusqlite::Connection::open(folder.path().join("raincheck.db")).unwrap();
    other.execute_batch("INSERT INTO event SELECT 99, no, 2, 1, 1, 0, at, NULL FROM event").unwrap();
    assert!(store.apply(vec![Command::RunNow(no)]).await.is_err());
    assert_eq!(store.refused_writes(), 1);
    let record = store.record(no).await.unwrap().unwrap();
    assert_eq!((record.job.state, record.job.seq), (State::Scheduled, 1), "nothing was written");
    other.execute_batch("DELETE FROM event WHERE cursor=99").unwrap();
    store.apply(vec![Command::RunNow(no)]).await.unwrap();
    assert_eq!(store.record(no).await.unwrap().unwrap().job.state, State::Queued);
    store.close().await;
}

/// Answers are given by a task of the runtime that the store was opened in; without it, by the store itself.
#[test]
fn everybody_is_answered_in_any_runtime() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = runtime();
    let store = first.block_on(async { SqliteStore::open(options(folder.path())).unwrap() });
    let submit_many = |runtime: &tokio::runtime::Runtime| {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let store = store.clone();
                runtime.spawn(async move { store.apply(vec![Command::Submit(vec![new_job()])]).await })
            })
            .collect();
        for task in tasks {
            let replies = runtime.block_on(task).unwrap().unwrap();
            assert!(matches!(replies[..], [Reply::Submitted(_)]));
        }
    };
    submit_many(&first);
    let second = runtime();
    submit_many(&second);
    drop(first);
    submit_many(&second);
    second.block_on(store.close());
}
