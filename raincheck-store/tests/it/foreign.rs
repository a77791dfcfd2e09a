//! A store takes nothing that is not its own, nothing that is half there, and notices when what it has is taken away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use raincheck_core::{Command, Content, Job, Payload, Reply};
use raincheck_store::conformance::new_job;
use raincheck_store::{
    Found, Invariant, PostgresDoctor, PostgresOptions, PostgresStore, SqliteDoctor, SqliteOptions, SqliteStore, Store,
    StoreError, migrate,
};

use crate::findings::findings;
use crate::folder::fresh;
use crate::postgres::Base;

fn options(folder: &Path) -> SqliteOptions {
    SqliteOptions { reserve_bytes: 0, ..SqliteOptions::in_folder(folder) }
}

fn open(folder: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(options(folder)).unwrap()
}

/// Why it is not opened.
fn refused(options: SqliteOptions) -> String {
    match SqliteStore::open(options).map(drop) {
        Err(StoreError::Refused { why, next }) => {
            assert!(!next.is_empty());
            why
        }
        other => panic!("{other:?}"),
    }
}

/// A job whose input is a file, and the name of that.
async fn submit(store: &dyn Store, input: &str) -> (Job, Box<str>) {
    let name = store.blobs().keep(input.to_owned().into()).await.unwrap();
    let mut new = new_job();
    let payload = Payload::Blob { name: name.clone(), size: input.len() as u64 };
    new.spec.input = Content { payload, ..Content::default() };
    match store.apply(vec![Command::Submit(vec![new])]).await.unwrap().remove(0) {
        Reply::Submitted(all) => (all[0].job().clone(), name),
        other => panic!("{other:?}"),
    }
}

async fn reads(store: &dyn Store, name: &str, input: &str) -> bool {
    store.blobs().bytes(name, input.len() as u64).await.is_ok_and(|bytes| bytes == input)
}

/// Every file below a folder, with what is in it.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn payloads_that_lie_elsewhere_are_missed_before_anything_is_made() {
    let folder = fresh();
    let store = open(folder.path());
    let (_, name) = submit(&*store, "kept").await;
    store.close().await;
    // A disk that is not mounted: its folder is not there, or empty.
    let (here, away) = (folder.path().join("blobs"), folder.path().join("away"));
    fs::rename(&here, &away).unwrap();
    assert!(refused(options(folder.path())).contains("they lie elsewhere"));
    assert!(!here.exists());
    fs::create_dir(&here).unwrap();
    assert!(refused(options(folder.path())).contains("they lie elsewhere"));
    fs::remove_dir(&here).expect("nothing was made in it");
    fs::rename(&away, &here).unwrap();
    let store = open(folder.path());
    assert_eq!(store.blobs().bytes(&name, 4).await.unwrap(), "kept");
    store.close().await;
}

#[tokio::test]
async fn two_databases_do_not_share_payloads() {
    let (folder, elsewhere) = (fresh(), fresh());
    let first = open(folder.path());
    let (_, name) = submit(&*first, "of the first").await;
    let beside = SqliteOptions { path: folder.path().join("second.db"), ..options(folder.path()) };
    // While the first runs and when it does not, as a new store and as one with data of its own.
    assert!(refused(beside.clone()).contains("is missing or empty"));
    assert!(!beside.path.exists(), "nothing was made");
    open(elsewhere.path()).close().await;
    let foreign = SqliteOptions { blobs: folder.path().join("blobs"), ..options(elsewhere.path()) };
    assert!(refused(foreign.clone()).contains("another"));
    assert!(reads(&*first, &name, "of the first").await);
    first.close().await;
    assert!(refused(beside).contains("is missing or empty"));
    assert!(refused(foreign).contains("belongs to another store"));
    let first = open(folder.path());
    assert!(reads(&*first, &name, "of the first").await);
    first.close().await;
}

#[tokio::test]
async fn one_folder_of_payloads_is_open_once() {
    let (folder, copy) = (fresh(), fresh());
    open(folder.path()).close().await;
    // The same store twice: nothing but its lock keeps the second from the first one's payloads.
    fs::copy(folder.path().join("raincheck.db"), copy.path().join("raincheck.db")).unwrap();
    let second = SqliteOptions { blobs: folder.path().join("blobs"), ..options(copy.path()) };
    let first = open(folder.path());
    assert!(refused(second.clone()).contains("in use"));
    first.close().await;
    SqliteStore::open(second).unwrap().close().await;
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_left_as_it_is() {
    let name = "0123456789abcdef0123456789abcdef";
    for file in ["photo.jpg", "tmp/draft", "00/notes.txt", &format!("01/{name}"), &format!("orphans/{name}")] {
        let (folder, photos) = (fresh(), fresh());
        let path = photos.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
        let before = contents(photos.path());
        let options = SqliteOptions { blobs: photos.path().to_owned(), ..options(folder.path()) };
        assert!(refused(options.clone()).contains("bears no mark"));
        assert!(!options.path.exists(), "nothing was made");
        // With a database that has payloads elsewhere, too.
        open(folder.path()).close().await;
        assert!(refused(options).contains("bears no mark"));
        let base = Base::new();
        let refused = PostgresStore::open(PostgresOptions::at(base.database.url(), photos.path())).await.err().unwrap();
        assert!(matches!(&refused, StoreError::Refused { why, .. } if why.contains("bears no mark")), "{refused}");
        assert_eq!(contents(photos.path()), before);
    }
}

#[tokio::test]
async fn a_part_that_is_missing_is_asked_for() {
    let (folder, half) = (fresh(), fresh());
    let store = open(folder.path());
    let (job, name) = submit(&*store, "kept").await;
    // As a crash leaves it: what was acknowledged is in the log alone.
    let (log, database) = (half.path().join("raincheck.db-wal"), half.path().join("raincheck.db"));
    fs::copy(folder.path().join("raincheck.db-wal"), &log).unwrap();
    assert!(refused(options(half.path())).contains("its log"));
    fs::write(&database, "").unwrap();
    assert!(refused(options(half.path())).contains("its log"));
    assert!(fs::metadata(&log).unwrap().len() > 0);
    fs::copy(folder.path().join("raincheck.db"), &database).unwrap();
    assert!(refused(options(half.path())).contains("they lie elsewhere"));
    fs::create_dir(half.path().join("blobs")).unwrap();
    fs::copy(folder.path().join("blobs/store-id"), half.path().join("blobs/store-id")).unwrap();
    let put_back = open(half.path());
    assert!(matches!(put_back.job(job.id).await.unwrap(), Found::Here(_)));
    put_back.close().await;

    store.close().await;
    let aside = folder.path().join("aside.db");
    fs::rename(folder.path().join("raincheck.db"), &aside).unwrap();
    assert!(refused(options(folder.path())).contains("payloads of its store"));
    fs::rename(&aside, folder.path().join("raincheck.db")).unwrap();
    let store = open(folder.path());
    assert!(reads(&*store, &name, "kept").await);
    store.close().await;
}

#[tokio::test]
async fn a_volume_may_be_the_folder() {
    let folder = fresh();
    let blobs = folder.path().join("blobs");
    fs::create_dir(&blobs).unwrap();
    for volume in [folder.path(), &blobs] {
        fs::create_dir(volume.join(".snapshot")).unwrap();
        let found = volume.join("lost+found");
        fs::create_dir(&found).unwrap();
        fs::write(found.join("#1"), "of fsck").unwrap();
        fs::set_permissions(&found, fs::Permissions::from_mode(0o000)).unwrap();
    }
    for _ in 0..2 {
        open(folder.path()).close().await;
    }
    for volume in [folder.path(), &blobs] {
        fs::set_permissions(volume.join("lost+found"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(fs::read(volume.join("lost+found/#1")).unwrap(), b"of fsck");
    }
}

/// A database of yesterday does not know today's payloads. When today's is back, they are.
#[tokio::test]
async fn payloads_of_a_database_that_comes_back_come_back() {
    let folder = fresh();
    open(folder.path()).close().await;
    let (path, yesterday, today) =
        (folder.path().join("raincheck.db"), folder.path().join("yesterday"), folder.path().join("today"));
    fs::copy(&path, &yesterday).unwrap();
    let store = open(folder.path());
    let (_, name) = submit(&*store, "of today").await;
    store.close().await;
    fs::rename(&path, &today).unwrap();
    fs::rename(&yesterday, &path).unwrap();
    let store = open(folder.path());
    assert_eq!((store.missing_events() > 0, store.blobs().count_set_aside()), (true, 0), "it is all that is left");
    store.close().await;
    // Who knows about it says so.
    fs::remove_file(folder.path().join("raincheck.mark")).unwrap();
    let store = open(folder.path());
    assert_eq!(store.blobs().count_set_aside(), 1);
    assert!(!reads(&*store, &name, "of today").await);
    store.close().await;
    fs::rename(&today, &path).unwrap();
    let store = open(folder.path());
    assert!(reads(&*store, &name, "of today").await);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_share_a_folder_and_other_stores_do_not() {
    let (one, other) = (Base::new(), Base::new());
    let blobs = one.folder.path().join("blobs");
    let node = || PostgresOptions::at(one.database.url(), &blobs);
    let (first, second) = (PostgresStore::open(node()).await.unwrap(), PostgresStore::open(node()).await.unwrap());
    let (_, name) = submit(&*first, "shared").await;
    assert!(reads(&*second, &name, "shared").await);
    let foreign = PostgresStore::open(PostgresOptions::at(other.database.url(), &blobs)).await.err().unwrap();
    assert!(matches!(&foreign, StoreError::Refused { why, .. } if why.contains("another store")), "{foreign}");
    let folder = fresh();
    let sqlite = SqliteOptions { blobs: blobs.clone(), ..options(folder.path()) };
    assert!(refused(sqlite).contains("is missing or empty"));
    first.close().await;
    second.close().await;
    let third = PostgresStore::open(node()).await.unwrap();
    assert!(reads(&*third, &name, "shared").await);
    third.close().await;
}

/// After a move into PostgreSQL the old database must not take for orphans what comes there.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_moves_with_its_jobs() {
    let (folder, base) = (fresh(), Base::new());
    let store = open(folder.path());
    let (_, name) = submit(&*store, "old").await;
    store.close().await;
    let to = PostgresOptions::at(base.database.url(), &folder.path().join("blobs"));
    let moved = migrate(options(folder.path()), to.clone(), |_, _| ()).await.unwrap();
    assert_eq!((moved.jobs, moved.files), (1, 0));
    let store = PostgresStore::open(to.clone()).await.unwrap();
    let (_, newer) = submit(&*store, "new").await;
    assert!(reads(&*store, &name, "old").await);
    store.close().await;
    assert!(refused(options(folder.path())).contains("belongs to another store"));
    let store = PostgresStore::open(to).await.unwrap();
    assert!(reads(&*store, &name, "old").await && reads(&*store, &newer, "new").await);
    store.close().await;
}

/// Of a folder with SQLite, and of one beside PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_tells_whose_a_folder_is() {
    let (folder, base) = (fresh(), Base::new());
    let node = PostgresOptions::at(base.database.url(), base.folder.path());
    open(folder.path()).close().await;
    PostgresStore::open(node.clone()).await.unwrap().close().await;
    for (blobs, on_sqlite) in [(folder.path().join("blobs"), true), (base.folder.path().to_owned(), false)] {
        let look = async || match on_sqlite {
            true => findings(SqliteDoctor::open(&options(folder.path()), false).unwrap()).await,
            false => findings(PostgresDoctor::open(&node, false).await.unwrap()).await,
        };
        assert_eq!(look().await, []);
        fs::create_dir(blobs.join("lost+found")).unwrap();
        assert_eq!(look().await, []);
        fs::write(blobs.join("ab/notes.txt"), "abc").unwrap();
        fs::create_dir(blobs.join("photos")).unwrap();
        let found = look().await;
        assert!(found.iter().all(|one| one.invariant == Invariant::Orphans), "{found:?}");
        let mut strangers: Vec<String> = found.into_iter().map(|one| one.subject.into_string()).collect();
        strangers.sort();
        assert_eq!(strangers, ["file ab/notes.txt", "file photos"]);
        fs::remove_dir(blobs.join("photos")).unwrap();
        fs::remove_file(blobs.join("ab/notes.txt")).unwrap();
        fs::write(blobs.join("store-id"), format!("{:032x}\n", 7)).unwrap();
        let found = look().await;
        assert!(found.len() == 1 && found[0].invariant == Invariant::Owner, "{found:?}");
        assert!(found[0].detail.contains("another store"), "{found:?}");
        fs::remove_file(blobs.join("store-id")).unwrap();
        let found = look().await;
        assert!(found.len() == 1 && found[0].detail.contains("no mark"), "{found:?}");
    }
}

/// Waits until the store says that it takes nothing, and why.
async fn stopped(store: &dyn Store) -> String {
    let begin = Instant::now();
    loop {
        match store.health() {
            Err(StoreError::Stopped(why)) => return why,
            other => assert!(begin.elapsed() < Duration::from_secs(20), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Takes something away from the data in a folder.
type Take = fn(&Path);

fn away(folder: &Path, name: &str) -> PathBuf {
    let away = folder.join("away");
    fs::create_dir_all(&away).unwrap();
    let (from, to) = (folder.join("data").join(name), away.join(name));
    fs::rename(from, &to).unwrap();
    to
}

#[tokio::test]
async fn what_is_taken_away_is_noticed_and_nothing_is_taken_any_more() {
    let takes: [(&str, Take); 7] = [
        ("raincheck.db is gone", |folder| drop(away(folder, ""))),
        ("raincheck.db is gone", |folder| {
            away(folder, "");
            fs::create_dir(folder.join("data")).unwrap();
        }),
        ("raincheck.db is gone", |folder| fs::remove_dir_all(folder.join("data")).unwrap()),
        ("raincheck.db has been replaced", |folder| {
            fs::copy(away(folder, "raincheck.db"), folder.join("data/raincheck.db")).map(drop).unwrap();
        }),
        ("raincheck.db-wal is gone", |folder| fs::remove_file(folder.join("data/raincheck.db-wal")).unwrap()),
        ("raincheck.lock is gone", |folder| fs::remove_file(folder.join("data/raincheck.lock")).unwrap()),
        ("blobs has lost its mark", |folder| fs::remove_dir_all(folder.join("data/blobs")).unwrap()),
    ];
    for (says, take) in takes {
        let folder = fresh();
        let store = open(&folder.path().join("data"));
        let (job, _) = submit(&*store, "acknowledged").await;
        store.health().unwrap();
        take(folder.path());
        let why = stopped(&*store).await;
        assert!(why.contains(says), "{says}: {why}");
        let refused = store.apply(vec![Command::Submit(vec![new_job()])]).await;
        assert!(matches!(&refused, Err(StoreError::Stopped(why)) if why.contains(says)), "{refused:?}");
        // Nobody is told of what lies there now, or that a job is not.
        assert!(matches!(store.job(job.id).await, Err(StoreError::Stopped(_))));
        assert!(matches!(store.health(), Err(StoreError::Stopped(_))));
        store.close().await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_the_log_went_is_saved() {
    let folder = fresh();
    let store = open(folder.path());
    let (job, name) = submit(&*store, "acknowledged").await;
    fs::remove_file(folder.path().join("raincheck.db-wal")).unwrap();
    stopped(&*store).await;
    store.close().await;
    let store = open(folder.path());
    assert!(matches!(store.job(job.id).await.unwrap(), Found::Here(_)));
    assert!(reads(&*store, &name, "acknowledged").await);
    store.close().await;
}
