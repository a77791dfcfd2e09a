//! A store on PostgreSQL with its large payloads in S3-compatible storage keeps the promises that it keeps with a folder.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use raincheck_core::{Command, Content, Job, Payload, Reply, limits};
use raincheck_store::conformance::{self, Place, Setup, new_job, prove};
use raincheck_store::{
    BlobPlace, BlobUse, BlobWriter, Finding, Invariant, PostgresDoctor, PostgresOptions, PostgresStore, S3Options,
    SqliteOptions, SqliteStore, Store, StoreError, migrate,
};
use s3server::{ACCESS_KEY_ID, BUCKET, S3Server, SECRET_ACCESS_KEY};

use crate::findings::findings;
use crate::postgres::Base;

/// Two and a half parts.
const IN_PARTS: usize = 25 << 19;

/// A database, and a bucket beside it.
struct Bucket {
    base: Base,
    server: S3Server,
}

impl Bucket {
    fn new() -> Self {
        Bucket { base: Base::new(), server: S3Server::start().unwrap() }
    }

    fn options(&self) -> PostgresOptions {
        PostgresOptions::at(self.base.database.url(), place(&self.server, SECRET_ACCESS_KEY))
    }

    async fn store(&self) -> Arc<PostgresStore> {
        PostgresStore::open(self.options()).await.unwrap()
    }

    /// Parts of unfinished uploads, and keys of objects but the mark.
    fn left(&self) -> (usize, Vec<String>) {
        let mut keys = self.server.keys("").unwrap();
        keys.retain(|key| !key.ends_with("store-id"));
        (self.server.parts().unwrap(), keys)
    }
}

fn place(server: &S3Server, secret: &str) -> BlobPlace {
    below(server, "/of/raincheck", secret)
}

fn below(server: &S3Server, prefix: &str, secret: &str) -> BlobPlace {
    let s3 = S3Options {
        endpoint: Some(server.endpoint()),
        region: Some("us-east-1".to_owned()),
        access_key_id: Some(ACCESS_KEY_ID.to_owned()),
        secret_access_key: Some(secret.to_owned()),
    };
    BlobPlace::read(&format!("s3://{BUCKET}{prefix}"), s3).unwrap()
}

#[async_trait]
impl Place for Bucket {
    async fn open(&self, setup: &Setup) -> Result<Arc<dyn Store>, StoreError> {
        let options = PostgresOptions { blobs: place(&self.server, SECRET_ACCESS_KEY), ..self.base.options(setup) };
        PostgresStore::open(options).await.map(|store| store as Arc<dyn Store>)
    }
}

macro_rules! kept {
    ($($behaviour:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                prove(Bucket::new, conformance::blobs::$behaviour).await;
            }
        )*
    };
}

kept! { referenced_stay_and_orphans_go orphans_go_while_it_is_open of_purged_jobs_are_handed_back results_may_be_files are_read_copied_and_removed }

/// Writes so many bytes of a payload, and then does with its writer what `end` does.
async fn write(store: &dyn Store, size: usize, end: fn(BlobWriter)) {
    let blobs = store.blobs().clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut writer = blobs.create().unwrap();
        writer.write(&vec![7; size]).unwrap();
        end(writer);
    });
    written.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_leaves_nothing() {
    let bucket = Bucket::new();
    let store = bucket.store().await;
    write(&*store, IN_PARTS, drop).await;
    let started = Instant::now();
    while bucket.left() != (0, Vec::new()) {
        assert!(started.elapsed() < Duration::from_secs(20), "{:?} stays", bucket.left());
        tokio::task::yield_now().await;
    }
    // As if the process had been killed.
    write(&*store, IN_PARTS, std::mem::forget).await;
    let (parts, marks) = bucket.left();
    assert!(parts == 2 && marks.len() == 1 && marks[0].starts_with("of/raincheck/tmp/"), "{parts} {marks:?}");
    // Beside a node that lives, what is young is left alone: it may be that one's.
    let other = bucket.store().await;
    assert_eq!(bucket.left(), (parts, marks));
    other.close().await;
    store.close().await;
    let store = bucket.store().await;
    assert_eq!(bucket.left(), (0, Vec::new()));
    // Nor does what is finished leave anything but itself.
    write(&*store, IN_PARTS, |writer| drop(writer.finish().unwrap())).await;
    let (parts, keys) = bucket.left();
    assert!(parts == 0 && keys.len() == 1 && !keys[0].contains("tmp"), "{parts} {keys:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_is_left_alone() {
    let bucket = Bucket::new();
    bucket.store().await.close().await;
    let name = "0123456789abcdef0123456789abcdef";
    let others =
        [name, &format!("of/raincheck/deep/{name}"), "of/raincheck/notes.txt", &format!("of/raincheck2/{name}")];
    others.iter().for_each(|key| bucket.server.put(key, b"x").unwrap());
    bucket.server.put(&format!("of/raincheck/{name}"), b"an orphan").unwrap();
    let store = bucket.store().await;
    assert_eq!(store.blobs().count_set_aside(), 1);
    store.close().await;
    let mut left = bucket.left().1;
    left.retain(|key| key != &format!("of/raincheck/orphans/{name}"));
    assert_eq!(left, others);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_somebody_else_is_refused_and_left_alone() {
    let (bucket, other) = (Bucket::new(), Base::new());
    bucket.server.put("of/raincheck/notes.txt", b"x").unwrap();
    let refused = PostgresStore::open(bucket.options()).await.err().unwrap();
    assert!(matches!(&refused, StoreError::Refused { why, .. } if why.contains("bears no mark")), "{refused}");
    let below = below(&bucket.server, "/alone", SECRET_ACCESS_KEY);
    let first = PostgresOptions { blobs: below.clone(), ..bucket.options() };
    let store = PostgresStore::open(first.clone()).await.unwrap();
    let (_, name) = submit(&*store, b"kept").await;
    let second = PostgresOptions::at(other.database.url(), below);
    let refused = PostgresStore::open(second).await.err().unwrap();
    assert!(matches!(&refused, StoreError::Refused { why, .. } if why.contains("another store")), "{refused}");
    store.close().await;
    let store = PostgresStore::open(first).await.unwrap();
    assert_eq!(store.blobs().bytes(&name, 4).await.unwrap(), "kept");
    assert_eq!(bucket.left().1, [format!("alone/{name}"), "of/raincheck/notes.txt".to_owned()]);
    store.close().await;
}

/// A database of yesterday does not know today's payloads. When today's is back, they are.
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_aside_comes_back_to_its_job() {
    let bucket = Bucket::new();
    let store = bucket.store().await;
    let (job, name) = submit(&*store, b"kept").await;
    store.close().await;
    let row = format!("DELETE FROM blob WHERE name='{name}'");
    bucket.base.database.run(&row).unwrap();
    let store = bucket.store().await;
    assert!(store.blobs().bytes(&name, 4).await.is_err());
    store.close().await;
    // As in a database that was put back.
    let row = format!("UPDATE blob SET no={}, swept_at=NULL WHERE name='{name}'", job.no.0);
    bucket.base.database.run(&row).unwrap();
    let store = bucket.store().await;
    assert_eq!(store.blobs().bytes(&name, 4).await.unwrap(), "kept");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_may_be_ours_alone_and_hold_more_than_a_page() {
    let bucket = Bucket::new();
    let options = PostgresOptions { blobs: below(&bucket.server, "", SECRET_ACCESS_KEY), ..bucket.options() };
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let (_, name) = submit(&*store, b"kept").await;
    store.close().await;
    // All with one first digit, so that one walk has several pages.
    (0..2_500).for_each(|n| bucket.server.put(&format!("7{n:031x}"), b"an orphan").unwrap());
    let store = PostgresStore::open(options).await.unwrap();
    assert_eq!(store.blobs().count_set_aside(), 2_500);
    let mut left = bucket.left().1;
    left.retain(|key| !key.starts_with("orphans/"));
    assert_eq!(left, [&*name]);
    assert_eq!(store.blobs().bytes(&name, 4).await.unwrap(), "kept");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_an_error_and_passes() {
    let bucket = Bucket::new();
    let store = bucket.store().await;
    let blobs = store.blobs();
    let name = blobs.keep("before".into()).await.unwrap();
    bucket.server.set_up(false);
    let (kept, read, copied, removed) = tokio::join!(
        blobs.keep("during".into()),
        blobs.bytes(&name, 6),
        blobs.duplicate(&name),
        blobs.remove(vec![name.clone()])
    );
    assert!(kept.is_err() && read.is_err() && copied.is_err() && removed.is_err());
    let refused = PostgresStore::open(bucket.options()).await.err().unwrap().to_string();
    assert!(refused.contains("cannot use s3://payloads/of/raincheck: "), "{refused}");
    bucket.server.set_up(true);
    assert_eq!(blobs.bytes(&name, 6).await.unwrap(), "before");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_without_the_secret() {
    let bucket = Bucket::new();
    let options = PostgresOptions { blobs: place(&bucket.server, "another-secret"), ..bucket.options() };
    let refused = PostgresStore::open(options).await.err().unwrap().to_string();
    assert!(refused.contains("cannot use s3://payloads/of/raincheck: "), "{refused}");
    assert!(!refused.contains("another-secret"), "{refused}");
    let store = bucket.store().await;
    let shown = format!("{:?}", store.blobs());
    assert!(shown.contains(BUCKET) && !shown.contains(SECRET_ACCESS_KEY), "{shown}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_payload_is_told_from_a_bucket_that_is_gone() {
    let bucket = Bucket::new();
    let store = bucket.store().await;
    let blobs = store.blobs();
    let name = blobs.keep("lost".into()).await.unwrap();
    blobs.remove(vec![name.clone()]).await.unwrap();
    let missing = async || blobs.bytes(&name, 4).await.unwrap_err().kind();
    assert_eq!((missing().await, blobs.is_there().await), (ErrorKind::NotFound, true));
    bucket.server.remove_bucket().unwrap();
    assert_eq!((missing().await, blobs.is_there().await), (ErrorKind::NotFound, false));
    store.close().await;
}

/// However many senders are slow in the middle of a part.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_hold_bounded_memory() {
    let bucket = Bucket::new();
    let store = bucket.store().await;
    let blobs = store.blobs();
    let mut held = Vec::new();
    let full = loop {
        match blobs.begin(BlobUse::Input, 1 << 30).await {
            Ok(arrival) => held.push(arrival),
            Err(error) => break error.kind(),
        }
    };
    assert_eq!((full, held.len()), (ErrorKind::QuotaExceeded, limits::PARTS_BYTES / (5 << 20)));
    // Of which nothing is announced: it is found out as it comes.
    let mut grows = blobs.begin(BlobUse::Input, 0).await.unwrap();
    assert_eq!(grows.write(vec![7; 1 << 20].into()).await.unwrap_err().kind(), ErrorKind::QuotaExceeded);
    let result = blobs.hold(BlobUse::Result, vec![7; 9 << 20].into()).await.unwrap();
    assert_eq!(blobs.size(result.name()).await.unwrap(), 9 << 20);
    drop(held.pop());
    let input = blobs.hold(BlobUse::Input, vec![7; 9 << 20].into()).await.unwrap();
    assert_eq!(blobs.size(input.name()).await.unwrap(), 9 << 20);
    blobs.begin(BlobUse::Input, 1 << 30).await.expect("what was held is free again");
    store.close().await;
}

/// Submits a job with its input kept as a large one; answers the input's name as well.
async fn submit(store: &dyn Store, input: &[u8]) -> (Job, Box<str>) {
    let name = store.blobs().keep(input.to_owned().into()).await.unwrap();
    let payload = Payload::Blob { name: name.clone(), size: input.len() as u64 };
    let mut new = new_job();
    new.spec.input = Content { payload, ..Content::default() };
    match store.apply(vec![Command::Submit(vec![new])]).await.unwrap().remove(0) {
        Reply::Submitted(all) => (all[0].job().clone(), name),
        other => panic!("{other:?}"),
    }
}

async fn look(bucket: &Bucket) -> Vec<Finding> {
    findings(PostgresDoctor::open(&bucket.options(), false).await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_misses_what_is_gone_and_finds_what_is_nobodys() {
    let bucket = Bucket::new();
    let store = bucket.store().await;
    let ((_, gone), (_, cut)) = (submit(&*store, b"one").await, submit(&*store, b"two").await);
    let orphan = store.blobs().keep("three".into()).await.unwrap();
    assert_eq!(look(&bucket).await, [], "what nobody refers to is young, and a server runs");
    store.close().await;
    store.blobs().remove(vec![gone.clone()]).await.unwrap();
    bucket.server.put(&format!("of/raincheck/{cut}"), b"x").unwrap();
    let found = look(&bucket).await;
    let says = |of: Invariant, what: &str| found.iter().any(|one| one.invariant == of && one.detail.contains(what));
    assert!(says(Invariant::Files, &format!("{gone} can't be had")), "{found:?}");
    assert!(says(Invariant::Files, &format!("{cut} has 1 bytes, not 3")), "{found:?}");
    assert!(found.iter().any(|one| one.invariant == Invariant::Orphans && one.subject.contains(&*orphan)), "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_moved_into_it() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let from = SqliteOptions { reserve_bytes: 0, ..SqliteOptions::in_folder(folder.path()) };
    let old = SqliteStore::open(from.clone()).unwrap();
    let inputs = [b"small".to_vec(), vec![7; IN_PARTS]];
    let mut jobs = Vec::new();
    for input in &inputs {
        jobs.push(submit(&*old, input).await.0);
    }
    old.close().await;
    let moved = migrate(from, bucket.options(), |_, _| ()).await.unwrap();
    assert_eq!((moved.jobs, moved.files), (2, 2));
    let store = bucket.store().await;
    for (job, input) in jobs.iter().zip(&inputs) {
        let Payload::Blob { name, size } = store.input(job.no).await.unwrap().unwrap().payload else { panic!() };
        assert!(store.blobs().bytes(&name, size).await.unwrap() == input[..]);
    }
    store.close().await;
}
