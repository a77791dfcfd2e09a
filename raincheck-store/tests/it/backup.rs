//! A backup is the whole of one moment, whatever goes on meanwhile; it is there in full or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use raincheck_core::{Cancel, Command, Content, Job, NewJob, Payload, Reply};
use raincheck_store::conformance::{content, new_job};
use raincheck_store::{Checkup as _, Found, SqliteDoctor, SqliteOptions, SqliteStore, Store, StoreError};

fn options(folder: &Path) -> SqliteOptions {
    SqliteOptions { reserve_bytes: 0, ..SqliteOptions::in_folder(folder) }
}

fn with_file(store: &SqliteStore, text: &str) -> NewJob {
    let mut writer = store.blobs().create().unwrap();
    writer.write(text.as_bytes()).unwrap();
    let (size, name) = (writer.size(), writer.finish().unwrap());
    let mut new = new_job();
    new.spec.input = Content { payload: Payload::Blob { name, size }, ..Content::default() };
    new
}

async fn submit(store: &SqliteStore, new: NewJob) -> Job {
    match store.apply(vec![Command::Submit(vec![new])]).await.unwrap().remove(0) {
        Reply::Submitted(all) => all[0].job().clone(),
        other => panic!("{other:?}"),
    }
}

async fn back_up(from: &Path, to: PathBuf) -> Result<raincheck_store::BackedUp, StoreError> {
    let options = options(from);
    tokio::task::spawn_blocking(move || SqliteStore::backup(&options, &to)).await.unwrap()
}

async fn is_sound(folder: &Path) {
    let mut doctor = SqliteDoctor::open(&options(folder), false).unwrap();
    while let Some(page) = doctor.page().await.unwrap() {
        assert_eq!((page.findings, page.unjudged), (vec![], vec![]));
    }
}

/// Submits jobs with files and forgets every other one, for as long as it is told to.
async fn busy(store: Arc<SqliteStore>, go_on: Arc<AtomicBool>) {
    let mut number = 0;
    while go_on.load(Ordering::Relaxed) {
        number += 1;
        let job = submit(&store, with_file(&store, &number.to_string())).await;
        if number % 2 == 0 {
            store.apply(vec![Command::Cancel(Cancel { no: job.no, force: false, seq: None })]).await.unwrap();
            let purged = store.apply(vec![Command::Purge(job.no)]).await.unwrap().remove(0);
            let Reply::Purged(purged) = purged else { panic!("{purged:?}") };
            store.blobs().remove(purged.blobs).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_acknowledged_before_is_in_it() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = SqliteStore::open(options(from.path())).unwrap();
    let go_on = Arc::new(AtomicBool::new(true));
    let load = [(); 3].map(|()| tokio::spawn(busy(store.clone(), go_on.clone())));
    for round in 0..3 {
        let mut acknowledged = Vec::new();
        for number in 0..20 {
            let text = format!("{round}-{number}");
            acknowledged.push((submit(&store, with_file(&store, &text)).await, text));
        }
        let target = to.path().join(round.to_string());
        let made = back_up(from.path(), target.clone()).await.unwrap();
        assert!(made.files >= 20 * (round + 1) && made.bytes > 0 && made.database > 0, "{made:?}");
        is_sound(&target).await;
        let restored = SqliteStore::open(options(&target)).unwrap();
        for (job, text) in acknowledged {
            assert!(matches!(restored.job(job.id).await.unwrap(), Found::Here(_)));
            let Payload::Blob { name, size } = restored.input(job.no).await.unwrap().unwrap().payload else { panic!() };
            assert_eq!(restored.blobs().bytes(&name, size).await.unwrap(), text);
        }
        submit(&restored, new_job()).await;
        restored.close().await;
    }
    go_on.store(false, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    store.close().await;
    let stopped = to.path().join("stopped");
    back_up(from.path(), stopped.clone()).await.unwrap();
    is_sound(&stopped).await;
    is_sound(from.path()).await;
}

#[tokio::test]
async fn what_is_there_is_left_alone() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(back_up(from.path(), to.path().join("none")).await.is_err(), "there is nothing to copy");
    let store = SqliteStore::open(options(from.path())).unwrap();
    let refused = back_up(from.path(), to.path().to_owned()).await.unwrap_err();
    assert!(refused.to_string().contains("there already"), "{refused}");
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
    store.close().await;
}

#[tokio::test]
async fn a_backup_that_fails_leaves_nothing() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = SqliteStore::open(options(from.path())).unwrap();
    let job = submit(&store, with_file(&store, "gone")).await;
    let Payload::Blob { name, .. } = store.input(job.no).await.unwrap().unwrap().payload else { panic!() };
    store.blobs().remove(vec![name]).await.unwrap();
    let made = back_up(from.path(), to.path().join("missing")).await.unwrap();
    assert_eq!((made.files, made.damaged.len()), (0, 1), "a payload that is missing is told of, and the rest copied");
    fs::remove_dir_all(to.path().join("missing")).unwrap();
    // The database can be opened, and not be read.
    let mut bytes = fs::read(from.path().join("raincheck.db")).unwrap();
    bytes.truncate(4096);
    store.close().await;
    fs::write(from.path().join("raincheck.db"), bytes).unwrap();
    assert!(back_up(from.path(), to.path().join("b")).await.is_err());
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
}

/// A reader keeps the log from being folded in. That must not stop the writer, however long the log becomes.
#[tokio::test]
async fn a_long_read_does_not_stop_writes() {
    let from = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(from.path())).unwrap();
    let reader = rusqlite::Connection::open(from.path().join("raincheck.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM job").unwrap();
    let input = "x".repeat(60 << 10);
    let mut longest = Duration::ZERO;
    for _ in 0..80 {
        let jobs = (0..16).map(|_| {
            let mut new = new_job();
            new.spec.input = content(&input);
            new
        });
        let begin = Instant::now();
        store.apply(vec![Command::Submit(jobs.collect())]).await.unwrap();
        longest = longest.max(begin.elapsed());
    }
    let log = fs::metadata(from.path().join("raincheck.db-wal")).unwrap().len();
    assert!(log > 70 << 20, "the log is longer than it is wanted: {log}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    reader.execute_batch("COMMIT").unwrap();
    store.close().await;
}
