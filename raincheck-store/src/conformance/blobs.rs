//! Payloads kept as files.

use std::io::ErrorKind;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use raincheck_core::{Command, Content, NewJob, Outcome, Payload, Purged, Reply, limits};

use super::{World, digest, new_job};
use crate::OrphanSearch;

async fn file(world: &World, text: &str) -> Content {
    let name = world.store.blobs().keep(Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
    let payload = Payload::Blob { name, size: text.len() as u64 };
    Content { payload, digest: digest(text), ..Content::default() }
}

fn blob(content: &Content) -> Box<str> {
    let Payload::Blob { name, .. } = &content.payload else { panic!("not a file") };
    name.clone()
}

/// What is kept of it; `None` when it is gone.
async fn kept(world: &World, content: &Content) -> Option<Bytes> {
    match world.store.blobs().bytes(&blob(content), content.payload.size()).await {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        bytes => Some(bytes.unwrap()),
    }
}

fn with(input: &Content) -> NewJob {
    let mut new = new_job();
    new.spec.input = Content { digest: [0; 16], ..input.clone() };
    new
}

/// At the next start, files of jobs are there and files of nobody are gone.
pub async fn referenced_stay_and_orphans_go(world: &mut World) {
    let (input, orphan) = (file(world, "kept").await, file(world, "orphan").await);
    let lease = world.running(with(&input)).await;
    assert_eq!(world.store.input(lease.no).await.unwrap().unwrap().payload, input.payload);
    let result = file(world, "result").await;
    world.end(lease, Outcome::Complete(result.clone())).await;
    world.restart().await;
    assert_eq!(kept(world, &input).await.unwrap(), "kept");
    assert_eq!(kept(world, &result).await.unwrap(), "result");
    assert_eq!(kept(world, &orphan).await, None);
}

/// What no job has referred to for a day is taken out of the way while the store is open; what a job refers to by then is
/// not, however long it was nobody's.
pub async fn orphans_go_while_it_is_open(world: &mut World) {
    let (input, orphan, late) = (file(world, "kept").await, file(world, "orphan").await, file(world, "late").await);
    world.create(with(&input)).await;
    let mut search = OrphanSearch::default();
    seek(world, &mut search).await;
    world.clock.advance(limits::ORPHANS_MILLIS - 1);
    seek(world, &mut search).await;
    for content in [&input, &orphan, &late] {
        assert!(kept(world, content).await.is_some(), "its day is not over");
    }
    world.create(with(&late)).await;
    let fresh = file(world, "fresh").await;
    world.clock.advance(1);
    seek(world, &mut search).await;
    assert_eq!(kept(world, &orphan).await, None);
    assert_eq!(world.store.blobs().count_set_aside(), 1);
    for content in [&input, &late, &fresh] {
        assert!(kept(world, content).await.is_some());
    }
}

async fn seek(world: &World, search: &mut OrphanSearch) {
    while !world.store.seek_orphans(search).await.unwrap() {}
}

/// Whoever purges learns which files are nobody's now; after a restart they are gone in any case.
pub async fn of_purged_jobs_are_handed_back(world: &mut World) {
    let (input, result) = (file(world, "in").await, file(world, "out").await);
    let lease = world.running(with(&input)).await;
    world.end(lease, Outcome::Complete(result.clone())).await;
    let Reply::Purged(Purged { mut blobs }) = world.one(Command::Purge(lease.no)).await else { panic!("not purged") };
    blobs.sort();
    let mut expected = vec![blob(&input), blob(&result)];
    expected.sort();
    assert_eq!(blobs, expected);

    let swept = file(world, "swept").await;
    let job = world.create(with(&swept)).await;
    world.cancel(job.no).await;
    world.clock.advance(job.retention.failed);
    let reply = world.one(Command::PurgeExpired(9)).await;
    assert!(matches!(&reply, Reply::Swept(1, purged) if purged.blobs.len() == 1), "{reply:?}");
    world.restart().await;
    for content in [&input, &result, &swept] {
        assert_eq!(kept(world, content).await, None);
    }
}

/// A result in a file is shown by its size and type, never by its bytes.
pub async fn results_may_be_files(world: &mut World) {
    let lease = world.running(new_job()).await;
    let result =
        Content { content_type: Some("video/mp4".into()), filename: Some("a.mp4".into()), ..file(world, "mp4!").await };
    world.end(lease, Outcome::Complete(result.clone())).await;
    let info = world.record(lease.no).await.result.unwrap();
    assert_eq!(
        (info.size, info.value, info.content_type, info.filename),
        (4, None, result.content_type.clone(), result.filename.clone())
    );
    assert_eq!(world.store.result(lease.no).await.unwrap(), Some(result));
}

/// A large payload is read whole and in part, copied, removed again and again, and gone when it is not finished.
pub async fn are_read_copied_and_removed(world: &mut World) {
    let blobs = world.store.blobs().clone();
    // More than what is sent to any storage at once.
    let bytes: Bytes = (0..9_u32 << 20).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let size = bytes.len() as u64;
    let name = blobs.keep(bytes.clone()).await.unwrap();
    assert_eq!(blobs.size(&name).await.unwrap(), size);
    assert!(blobs.bytes(&name, size).await.unwrap() == bytes);
    for (from, to) in [(0, 1), (3, 9), (8 << 20, size), (size - 1, size), (5, 5)] {
        let mut part = BytesMut::new();
        let mut pieces = blobs.read(&name, from..to).await.unwrap();
        while let Some(piece) = pieces.try_next().await.unwrap() {
            part.extend_from_slice(&piece);
        }
        assert!(part == bytes[from as usize..to as usize], "{from}..{to}");
    }
    let copy = blobs.duplicate(&name).await.unwrap().claim();
    for _ in 0..2 {
        blobs.remove(vec![name.clone(), "00000000000000000000000000000000".into()]).await.unwrap();
        assert_eq!(blobs.size(&name).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(blobs.read(&name, 0..1).await.err().unwrap().kind(), ErrorKind::NotFound);
    }
    assert!(blobs.bytes(&copy, size).await.unwrap() == bytes);
    assert_eq!(blobs.count_unreadable(), 2, "of the one that is gone");
    let cut = blobs.read(&copy, 1..size + 1).await.err().unwrap();
    assert_eq!(cut.kind(), ErrorKind::UnexpectedEof, "it is not as long as that");
    assert_eq!(blobs.count_unreadable(), 3);
}
