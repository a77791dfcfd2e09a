//! A store with something of everything, and how it is looked at.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use raincheck_core::{
    Append, Cancel, ChunkKind, Command, Content, Job, LeaseJobs, LeaseRef, Method, NewJob, Outcome, Payload, Reply,
    Settle, SteppedClock, Timestamp,
};
use raincheck_store::conformance::{complete, digest, fail, new_job, worker_asks};
use raincheck_store::{BlobWriter, CheckPage, Checkup, Finding, SqliteDoctor, SqliteOptions, SqliteStore, Store as _};
use tempfile::TempDir;

pub fn options(folder: &Path) -> SqliteOptions {
    let clock = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000)));
    SqliteOptions { clock, seed: Some(1), reserve_bytes: 0, ..SqliteOptions::in_folder(folder) }
}

async fn one(store: &SqliteStore, command: Command) -> Reply {
    store.apply(vec![command]).await.unwrap().remove(0)
}

async fn submit(store: &SqliteStore, new: NewJob) -> Job {
    match one(store, Command::Submit(vec![new])).await {
        Reply::Submitted(all) => all[0].job().clone(),
        other => panic!("{other:?}"),
    }
}

async fn lease(store: &SqliteStore, max: usize) -> Vec<LeaseRef> {
    let asks = LeaseJobs { ttl: 3_600_000, ..worker_asks(&["k"], max) };
    match one(store, Command::Lease(asks)).await {
        Reply::Leased(jobs) => jobs.iter().map(|(job, _)| job.lease_ref()).collect(),
        other => panic!("{other:?}"),
    }
}

async fn settle(store: &SqliteStore, lease: LeaseRef, outcome: Outcome) {
    let reply = one(store, Command::Settle(Settle { lease, outcome })).await;
    assert!(matches!(reply, Reply::Job(_)), "{reply:?}");
}

fn file(store: &SqliteStore, text: &str) -> Content {
    let mut writer: BlobWriter = store.blobs().create().unwrap();
    writer.write(text.as_bytes()).unwrap();
    let (size, name) = (writer.size(), writer.finish().unwrap());
    Content { payload: Payload::Blob { name, size }, digest: digest(text), ..Content::default() }
}

/// A store with something of everything, still open: numbers of jobs rise in the order of the names given here.
pub async fn filled(folder: &Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(options(folder)).unwrap();
    // succeeded, with files
    let mut with_file = new_job();
    with_file.spec.input = file(&store, "input");
    with_file.spec.key = Some("k1".into());
    submit(&store, with_file).await;
    let run = lease(&store, 1).await[0];
    let bytes = bytes::Bytes::from_static(b"line\n");
    let append = Append { lease: run, kind: ChunkKind::Log, offset: None, bytes, content_type: None, limit: 1 << 20 };
    one(&store, Command::Append(append)).await;
    settle(&store, run, Outcome::Complete(file(&store, "result"))).await;
    // retrying, after a release and a failure
    submit(&store, new_job()).await;
    settle(&store, lease(&store, 1).await[0], Outcome::Release { delay: 0 }).await;
    settle(&store, lease(&store, 1).await[0], fail("no")).await;
    // canceled
    let canceled = submit(&store, NewJob { delay: 60_000, ..new_job() }).await;
    one(&store, Command::Cancel(Cancel { no: canceled.no, force: false, seq: None })).await;
    // purged, with a key
    let mut purged = new_job();
    purged.spec.key = Some("k2".into());
    submit(&store, purged).await;
    let run = lease(&store, 1).await[0];
    settle(&store, run, complete("{}")).await;
    one(&store, Command::Purge(run.no)).await;
    // running
    submit(&store, new_job()).await;
    assert_eq!(lease(&store, 9).await.len(), 1);
    // queued, shared and under a chosen id
    let equal = NewJob { method: Method::Get, equal: Some([7; 16]), ..new_job() };
    submit(&store, equal).await;
    let id = "9f1c2c3d-4e5f-4a6b-8c7d-123456789abc".parse().unwrap();
    submit(&store, NewJob { id: Some(id), ..new_job() }).await;
    store
}

pub async fn everything(checkup: &mut dyn Checkup) -> CheckPage {
    let mut all = CheckPage::default();
    while let Some(page) = checkup.page().await.unwrap() {
        all.findings.extend(page.findings);
        all.unjudged.extend(page.unjudged);
        all.examined += page.examined;
    }
    all
}

pub async fn examined(folder: &Path) -> Vec<Finding> {
    let mut doctor = SqliteDoctor::open(&options(folder), false).unwrap();
    assert!(!doctor.is_served());
    let all = everything(&mut doctor).await;
    assert_eq!(all.unjudged, [], "a stopped store is judged in full");
    all.findings
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of it that was damaged.
pub fn hurt(sound: &Path, damage: impl FnOnce(&Path)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(sound, folder.path());
    damage(folder.path());
    folder
}
