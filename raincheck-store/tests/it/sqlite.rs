//! What is the store on SQLite's own: one process at a time, formats, and transactions that fail.

use std::path::Path;
use std::sync::Arc;

use raincheck_core::{
    Append, ChunkKind, Clock, Command, Content, JobNo, LeaseJobs, LeaseRef, Method, NewJob, Outcome, Overdue, Payload,
    Reply, Settle, State, SteadyClock, SteppedClock, Timestamp,
};
use raincheck_store::conformance::{complete, name, new_job, new_of, worker_asks};
use raincheck_store::{Overrun, Renewal, Renewed, SqliteOptions, SqliteStore, Store, StoreError};

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

/// Under each name it would have a log and a lock of its own.
#[tokio::test]
async fn one_database_is_open_once_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let by = |name: &str| SqliteOptions { path: folder.path().join(name), ..options(folder.path()) };
    // A link to what is not there yet is one to what it makes.
    std::os::unix::fs::symlink("raincheck.db", folder.path().join("link.db")).unwrap();
    let first = SqliteStore::open(by("link.db")).unwrap();
    let second = SqliteStore::open(by("raincheck.db"));
    assert!(matches!(second.map(|_| ()), Err(StoreError::InUse(_))));
    first.close().await;
    drop(first);
    let first = SqliteStore::open(by("raincheck.db")).unwrap();
    assert!(matches!(SqliteStore::open(by("link.db")).map(|_| ()), Err(StoreError::InUse(_))));
    first.close().await;
    drop(first);
    std::fs::hard_link(folder.path().join("raincheck.db"), folder.path().join("other.db")).unwrap();
    for name in ["raincheck.db", "other.db", "link.db"] {
        let refused = SqliteStore::open(by(name)).map(|_| ()).unwrap_err();
        assert!(matches!(&refused, StoreError::Refused { why, .. } if why.contains("2 names")), "{refused}");
    }
    std::fs::remove_file(folder.path().join("other.db")).unwrap();
    SqliteStore::open(by("raincheck.db")).unwrap();
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

/// What does not fit its column is told by its name.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_by_its_column() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(folder.path())).unwrap();
    let replies = store.apply(vec![Command::Submit(vec![new_job()])]).await.unwrap();
    let [Reply::Submitted(jobs)] = &replies[..] else { panic!("{replies:?}") };
    let id = jobs[0].job().id;
    let db = rusqlite::Connection::open(folder.path().join("raincheck.db")).unwrap();
    for (damage, says) in [
        ("UPDATE job SET max_losses=-1", "the column max_losses is out of range"),
        ("UPDATE job SET max_losses=3, state=9", "the column state is no state"),
        ("UPDATE job SET state=1, run_at='soon'", "the column run_at is of another type"),
    ] {
        db.execute(damage, []).unwrap();
        let message = store.job(id).await.unwrap_err().to_string();
        assert_eq!(message, format!("store: unreadable: {says}"));
    }
    store.close().await;
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
        Command::RunNow(commits.recv().await.unwrap().events[0].no, None),
        Command::Promote(9),
        Command::Submit(vec![new_of("new", "new")]),
        file(new_job()),
    ];
    assert!(store.apply(commands).await.is_err());
    assert_eq!((store.next_due(), store.feed_bounds().await.unwrap()), (due, bounds), "the job is due as before");
    assert_eq!(store.jobs(Default::default(), 9).await.unwrap().items.len(), 1);
    assert_eq!(store.stats().await.unwrap().queues.len(), 1);
    assert!(commits.try_recv().is_err());
    assert_eq!(store.refused_writes(), 1);
    let replies = store.apply(vec![Command::Submit(vec![new_of("new", "new")])]).await.unwrap();
    assert!(matches!(replies[..], [Reply::Submitted(_)]));
    assert_eq!(commits.recv().await.unwrap().events[0].cursor.0, bounds.0.0 + 1);
    assert_eq!(store.stats().await.unwrap().kinds.len(), 2);
    store.close().await;
}

/// Nor in what the writer remembers of the jobs that run.
#[tokio::test]
async fn a_failed_transaction_leaves_running_jobs_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(folder.path())).unwrap();
    let mut file = new_job();
    file.spec.input = Content { payload: Payload::Blob { name: "one-file".into(), size: 1 }, ..Content::default() };
    let mut equal = NewJob { method: Method::Get, equal: Some([1; 16]), ..new_job() };
    equal.kind = name("equal");
    let commands = vec![Command::Submit(vec![equal.clone()]), Command::Lease(worker_asks(&["equal"], 1))];
    let replies = store.apply(commands).await.unwrap();
    let [_, Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
    let lease = leased[0].0.lease_ref();
    let commands = vec![Command::Submit(vec![equal]), Command::Submit(vec![file.clone()]), Command::Submit(vec![file])];
    assert!(store.apply(commands).await.is_err());
    let settle = Command::Settle(Settle { lease, outcome: complete("1") });
    let replies = store.apply(vec![settle]).await.unwrap();
    let [Reply::Job(job)] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((job.state, job.shared), (State::Succeeded, 1));
    store.close().await;
}

#[tokio::test]
async fn little_space_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions { reserve_bytes: u64::MAX, ..options(folder.path()) }).unwrap();
    let (free, low) = store.space();
    assert!(free.is_some_and(|free| free > 0) && low);
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
    assert!(store.apply(vec![Command::RunNow(no, None)]).await.is_err());
    assert_eq!(store.refused_writes(), 1);
    let record = store.record(no).await.unwrap().unwrap();
    assert_eq!((record.job.state, record.job.seq), (State::Scheduled, 1), "nothing was written");
    other.execute_batch("DELETE FROM event WHERE cursor=99").unwrap();
    store.apply(vec![Command::RunNow(no, None)]).await.unwrap();
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

/// Leases the job of this kind as this worker.
async fn leased(store: &SqliteStore, kind: &str, worker: &str) -> LeaseRef {
    let ask = LeaseJobs { worker: worker.into(), ttl: 30_000, ..worker_asks(&[kind], 1) };
    match &store.apply(vec![Command::Lease(ask)]).await.unwrap()[..] {
        [Reply::Leased(leased)] => leased[0].0.lease_ref(),
        other => panic!("not leased: {other:?}"),
    }
}

/// What the server's own workers ran is lost at its next start, as soon as their programs must be gone; other workers,
/// even of a like name, get their full length again.
#[tokio::test]
async fn what_a_dead_life_ran_itself_is_lost_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000)));
    let options = || SqliteOptions { clock: clock.clone(), ..options(folder.path()) };
    let store = SqliteStore::open(options()).unwrap();
    let own = store.own_workers().unwrap().to_owned();
    store.apply(vec![Command::Submit(vec![new_of("q", "mine"), new_of("q", "theirs")])]).await.unwrap();
    let mine = leased(&store, "mine", &format!("serve-mine{own}")).await;
    let theirs = leased(&store, "theirs", "serve-theirs").await;
    store.close().await;
    let store = SqliteStore::open(options()).unwrap();
    assert_eq!(store.own_workers(), Some(&*own));
    clock.advance(1_999);
    assert_eq!(store.overdue(9).await.unwrap(), [], "its programs may still be ending");
    clock.advance(1);
    assert_eq!(store.overdue(9).await.unwrap(), [Overrun { lease: mine, why: Overdue::Lost }]);
    let lost = Command::Settle(Settle { lease: mine, outcome: Outcome::Lost });
    let Reply::Job(job) = &store.apply(vec![lost]).await.unwrap()[0] else { panic!("not settled") };
    assert_eq!((job.state, job.losses), (State::Queued, 1));
    clock.advance(27_999);
    assert_eq!(store.overdue(9).await.unwrap(), []);
    clock.advance(1);
    assert_eq!(store.overdue(9).await.unwrap(), [Overrun { lease: theirs, why: Overdue::Lost }]);
    store.close().await;
}

/// What the server slept through is no silence of the workers: leases get it, time limits do not, and what was sent
/// meanwhile is heard first.
#[tokio::test]
async fn a_standstill_is_nobodys_silence() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000)));
    let clock = Arc::new(SteadyClock::over(machine.clone()));
    let store = SqliteStore::open(SqliteOptions { clock: clock.clone(), ..options(folder.path()) }).unwrap();
    let serve = |millis: i64| {
        for _ in 0..millis / 500 {
            machine.advance(500);
            clock.beat();
        }
    };
    clock.beat();
    serve(2_000);
    let limited = NewJob { timeout: 10_000, ..new_of("q", "limited") };
    store.apply(vec![Command::Submit(vec![new_of("q", "free"), limited])]).await.unwrap();
    let free = leased(&store, "free", "w").await;
    let limited = leased(&store, "limited", "w").await;
    serve(5_000);
    machine.advance(120_000);
    // Before anybody has noticed, and in the moment after.
    let lose = |lease| Command::Settle(Settle { lease, outcome: Outcome::Lost });
    for _ in 0..2 {
        assert_eq!(store.overdue(9).await.unwrap(), []);
        let replies = store.apply(vec![lose(free), lose(limited)]).await.unwrap();
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Job(job) if job.state == State::Running)));
        assert!(store.next_overdue().unwrap() > clock.ticks());
        clock.beat();
    }
    serve(1_000);
    assert_eq!(store.overdue(9).await.unwrap(), [Overrun { lease: limited, why: Overdue::TimedOut }]);
    assert_eq!(store.next_overdue(), Some(2_000 + 10_000));
    let done = Command::Settle(Settle { lease: limited, outcome: complete("in time") });
    assert!(matches!(&store.apply(vec![done]).await.unwrap()[..], [Reply::Job(job)] if job.state == State::Succeeded));
    serve(23_500);
    assert_eq!(store.overdue(9).await.unwrap(), []);
    assert_eq!(store.renew(vec![Renewal { lease: free, ttl: None }]).await.unwrap().len(), 1);
    serve(29_500);
    assert!(matches!(
        store.renew(vec![Renewal { lease: free, ttl: None }]).await.unwrap()[..],
        [Renewed::Extended { .. }]
    ));
    serve(30_000);
    assert_eq!(store.overdue(9).await.unwrap(), [Overrun { lease: free, why: Overdue::Lost }]);
    store.close().await;
}

/// A machine whose clock was set back before the start: time goes on from the last change, so that what is new is younger
/// than what is there, and delays begin to run at once.
#[tokio::test]
async fn time_goes_on_from_what_the_data_tells() {
    let folder = tempfile::tempdir().unwrap();
    let at = |millis| {
        let machine = Arc::new(SteppedClock::new(Timestamp(millis)));
        let clock = Arc::new(SteadyClock::over(machine.clone()));
        (machine, SqliteOptions { clock, ..options(folder.path()) })
    };
    let submit = async |store: &SqliteStore, new| match &store.apply(vec![Command::Submit(vec![new])]).await.unwrap()[..]
    {
        [Reply::Submitted(all)] => all[0].job().clone(),
        other => panic!("not taken: {other:?}"),
    };
    const NOW: i64 = 1_760_000_000_000;
    let (machine, options) = at(NOW);
    let store = SqliteStore::open(options).unwrap();
    let first = submit(&store, new_job()).await;
    machine.advance(5_000);
    let second = submit(&store, new_job()).await;
    store.close().await;
    let (machine, options) = at(NOW - 3_600_000);
    let store = SqliteStore::open(options).unwrap();
    let third = submit(&store, new_job()).await;
    let delayed = submit(&store, NewJob { delay: 2_000, ..new_of("q", "delayed") }).await;
    assert!(first.created_at < second.created_at && second.created_at <= third.created_at, "{third:?}");
    let order: Vec<JobNo> = {
        let ask = worker_asks(&["k"], 9);
        let Reply::Leased(leased) = store.apply(vec![Command::Lease(ask)]).await.unwrap().remove(0) else { panic!() };
        leased.iter().map(|(job, _)| job.no).collect()
    };
    assert_eq!(order, [first.no, second.no, third.no]);
    machine.advance(2_000);
    store.apply(vec![Command::Promote(9)]).await.unwrap();
    assert_eq!(store.record(delayed.no).await.unwrap().unwrap().job.state, State::Queued);
    assert_eq!(delayed.kind, name("delayed"));
    store.close().await;
}

/// Numbers of forgotten names are not given to others, over a restart either: who reads the data as it was must not take
/// the one for the other.
#[tokio::test]
async fn a_number_stands_for_one_name_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(folder.path())).unwrap();
    store.apply(vec![Command::Submit(vec![new_of("q", "k")])]).await.unwrap();
    store.close().await;
    let db = rusqlite::Connection::open(folder.path().join("raincheck.db")).unwrap();
    db.execute_batch("INSERT INTO meta VALUES ('last_queue', 77), ('last_kind', 88)").unwrap();
    drop(db);
    let store = SqliteStore::open(options(folder.path())).unwrap();
    store.apply(vec![Command::Submit(vec![new_of("r", "l")])]).await.unwrap();
    store.close().await;
    let db = rusqlite::Connection::open(folder.path().join("raincheck.db")).unwrap();
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT id FROM queue WHERE name='r'"), 78);
    assert_eq!(number("SELECT id FROM kind WHERE name='l'"), 89);
}

/// What somebody has removed is not in the file any more, neither in its free pages nor in the log beside it.
#[tokio::test]
async fn what_is_removed_is_overwritten() {
    const SECRET: &str = "hunter2 and all that";
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(folder.path())).unwrap();
    // Large values have pages of their own, small ones lie among others that stay.
    let mut jobs = Vec::new();
    for size in [1, 2_000, 3, 1] {
        let mut new = new_job();
        let text = format!("\"{}\"", SECRET.repeat(size));
        new.spec.input = Content { payload: Payload::Inline(text.clone().into()), ..Content::default() };
        new.spec.label = Some(SECRET.into());
        new.spec.retry.max_attempts = 1;
        let Reply::Submitted(_) = store.apply(vec![Command::Submit(vec![new])]).await.unwrap().remove(0) else {
            panic!()
        };
        let Reply::Leased(leased) = store.apply(vec![Command::Lease(worker_asks(&["k"], 1))]).await.unwrap().remove(0)
        else {
            panic!()
        };
        let lease = leased[0].0.lease_ref();
        let append = Append {
            lease,
            kind: ChunkKind::Log,
            offset: None,
            bytes: text.clone().into(),
            content_type: None,
            limit: 1 << 20,
        };
        let outcome = if size == 3 { raincheck_store::conformance::fail(SECRET) } else { complete(&text) };
        store.apply(vec![Command::Append(append)]).await.unwrap();
        store.apply(vec![Command::Settle(Settle { lease, outcome })]).await.unwrap();
        jobs.push(lease.no);
    }
    let held = || -> usize {
        let files = ["raincheck.db", "raincheck.db-wal"]
            .map(|name| std::fs::read(folder.path().join(name)).unwrap_or_default());
        files.iter().map(|bytes| bytes.windows(SECRET.len()).filter(|part| *part == SECRET.as_bytes()).count()).sum()
    };
    assert!(held() > 4_000);
    for no in jobs {
        let reply = store.apply(vec![Command::Purge(no)]).await.unwrap().remove(0);
        assert!(matches!(reply, Reply::Purged(_)), "{reply:?}");
    }
    store.close().await;
    assert_eq!(held(), 0);
    // What they were weighed by is what there was to weigh.
    let store = SqliteStore::open(options(folder.path())).unwrap();
    let mut checkup = store.check().unwrap();
    while let Some(page) = checkup.page().await.unwrap() {
        assert_eq!(page.findings, []);
    }
    store.close().await;
}
