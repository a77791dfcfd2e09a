//! A sound store has nothing wrong, and a look at it leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};

use raincheck_store::{SqliteDoctor, SqliteStore, Store as _, StoreError};

use super::store::{copy, everything, examined, filled, options};

fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.path(), entry.metadata().unwrap().len()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_sound_store_has_nothing_wrong_open_stopped_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let mut beside = SqliteDoctor::open(&options(folder.path()), false).unwrap();
    assert!(beside.is_served());
    let all = everything(&mut beside).await;
    assert_eq!((all.findings, all.unjudged), (vec![], vec![]));
    assert!(all.examined > 50, "{}", all.examined);
    drop(beside);
    let own = everything(&mut *store.check().unwrap()).await;
    assert_eq!((own.findings, own.unjudged), (vec![], vec![]));

    let killed = tempfile::tempdir().unwrap();
    copy(folder.path(), killed.path());
    assert!(fs::metadata(killed.path().join("raincheck.db-wal")).unwrap().len() > 0, "the log was not folded in");
    assert_eq!(examined(killed.path()).await, []);

    store.close().await;
    drop(store);
    let before = listing(folder.path());
    assert_eq!(examined(folder.path()).await, []);
    assert_eq!(listing(folder.path()), before, "it leaves nothing behind");
}

#[tokio::test]
async fn servers_are_kept_out_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    SqliteStore::open(options(folder.path())).unwrap().close().await;
    let doctor = SqliteDoctor::open(&options(folder.path()), false).unwrap();
    let second = SqliteDoctor::open(&options(folder.path()), false).unwrap();
    assert!(!doctor.is_served() && !second.is_served());
    assert!(matches!(SqliteStore::open(options(folder.path())).map(|_| ()), Err(StoreError::InUse(_))));
    drop((doctor, second));
    SqliteStore::open(options(folder.path())).unwrap().close().await;
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteDoctor::open(&options(folder.path()), false).is_err());
    assert_eq!(listing(folder.path()), [], "and nothing is made");
    fs::write(folder.path().join("raincheck.db"), "hello, I am not a database at all".repeat(99)).unwrap();
    assert!(SqliteDoctor::open(&options(folder.path()), false).is_err());
}
