//! What lies aside is looked after while a store is open, and nothing is moved in a folder that is not its own.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use raincheck_core::{Command, Content, Payload, Reply};
use raincheck_store::conformance::new_job;
use raincheck_store::{OrphanSearch, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store, StoreError};

use crate::folder::fresh;
use crate::postgres::Base;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const YOUNG: &str = "fedcba9876543210fedcba9876543210";

/// Once through everything.
async fn walk(store: &dyn Store) -> Result<(), StoreError> {
    let mut search = OrphanSearch::default();
    while !store.seek_orphans(&mut search).await? {}
    Ok(())
}

async fn looks_after(store: Arc<dyn Store>, blobs: &Path) {
    let name = store.blobs().keep("a job's".into()).await.unwrap();
    let mut new = new_job();
    new.spec.input = Content { payload: Payload::Blob { name: name.clone(), size: 7 }, ..Content::default() };
    let replies = store.apply(vec![Command::Submit(vec![new])]).await.unwrap();
    assert!(matches!(replies[..], [Reply::Submitted(_)]));
    let aside = blobs.join("orphans");
    for file in [OLD, YOUNG] {
        fs::write(aside.join(file), "x").unwrap();
    }
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 86_400);
    File::options().write(true).open(aside.join(OLD)).unwrap().set_modified(two_days_ago).unwrap();
    // As if it had been taken for an orphan, long ago.
    fs::rename(blobs.join(&name[..2]).join(&*name), aside.join(&*name)).unwrap();
    File::options().write(true).open(aside.join(&*name)).unwrap().set_modified(two_days_ago).unwrap();

    walk(&*store).await.unwrap();
    assert_eq!(store.blobs().bytes(&name, 7).await.unwrap(), "a job's");
    assert!(!aside.join(OLD).exists() && aside.join(YOUNG).exists());

    // What is mounted there now is another store's.
    let mark = fs::read(blobs.join("store-id")).unwrap();
    fs::write(blobs.join("store-id"), format!("{:032x}\n", 7)).unwrap();
    fs::write(aside.join(OLD), "x").unwrap();
    File::options().write(true).open(aside.join(OLD)).unwrap().set_modified(two_days_ago).unwrap();
    let refused = walk(&*store).await;
    assert!(refused.is_err() && aside.join(OLD).exists(), "{refused:?}");
    fs::write(blobs.join("store-id"), mark).unwrap();
    store.close().await;
}

#[tokio::test]
async fn beside_sqlite() {
    let folder = fresh();
    let options = SqliteOptions { reserve_bytes: 0, ..SqliteOptions::in_folder(folder.path()) };
    looks_after(SqliteStore::open(options).unwrap(), &folder.path().join("blobs")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_postgresql() {
    let base = Base::new();
    let blobs = base.folder.path().join("blobs");
    let store = PostgresStore::open(PostgresOptions::at(base.database.url(), &blobs)).await.unwrap();
    looks_after(store, &blobs).await;
}
