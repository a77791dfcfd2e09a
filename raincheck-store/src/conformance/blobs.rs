//! Payloads kept as files.

use raincheck_core::{Command, Content, NewJob, Outcome, Payload, Purged, Reply};

use super::{World, digest, new_job};

fn file(world: &World, text: &str) -> Content {
    let mut writer = world.store.blobs().create().unwrap();
    writer.write(text.as_bytes()).unwrap();
    let (size, name) = (writer.size(), writer.finish().unwrap());
    Content { payload: Payload::Blob { name, size }, digest: digest(text), ..Content::default() }
}

fn path(world: &World, content: &Content) -> std::path::PathBuf {
    let Payload::Blob { name, .. } = &content.payload else { panic!("not a file") };
    world.store.blobs().path(name)
}

fn with(input: &Content) -> NewJob {
    let mut new = new_job();
    new.spec.input = Content { digest: [0; 16], ..input.clone() };
    new
}

/// At the next start, files of jobs are there and files of nobody are gone.
pub async fn referenced_stay_and_orphans_go(world: &mut World) {
    let (kept, orphan) = (file(world, "kept"), file(world, "orphan"));
    let lease = world.running(with(&kept)).await;
    assert_eq!(world.store.input(lease.no).await.unwrap().unwrap().payload, kept.payload);
    let result = file(world, "result");
    world.end(lease, Outcome::Complete(result.clone())).await;
    world.restart().await;
    assert_eq!(std::fs::read(path(world, &kept)).unwrap(), b"kept");
    assert_eq!(std::fs::read(path(world, &result)).unwrap(), b"result");
    assert!(!path(world, &orphan).exists());
}

/// Whoever purges learns which files are nobody's now; after a restart they are gone in any case.
pub async fn of_purged_jobs_are_handed_back(world: &mut World) {
    let (input, result) = (file(world, "in"), file(world, "out"));
    let lease = world.running(with(&input)).await;
    world.end(lease, Outcome::Complete(result.clone())).await;
    let Reply::Purged(Purged { mut blobs }) = world.one(Command::Purge(lease.no)).await else { panic!("not purged") };
    blobs.sort();
    let mut expected: Vec<_> = [&input, &result].map(|content| path(world, content)).to_vec();
    expected.sort();
    let mut handed: Vec<_> = blobs.iter().map(|name| world.store.blobs().path(name)).collect();
    handed.sort();
    assert_eq!(handed, expected);

    let swept = file(world, "swept");
    let job = world.create(with(&swept)).await;
    world.cancel(job.no).await;
    world.clock.advance(job.retention.failed);
    let reply = world.one(Command::Retire(9)).await;
    assert!(matches!(&reply, Reply::Swept(1, purged) if purged.blobs.len() == 1), "{reply:?}");
    world.restart().await;
    assert!([&input, &result, &swept].iter().all(|content| !path(world, content).exists()));
}

/// A result in a file is shown by its size and type, never by its bytes.
pub async fn results_may_be_files(world: &mut World) {
    let lease = world.running(new_job()).await;
    let result =
        Content { content_type: Some("video/mp4".into()), filename: Some("a.mp4".into()), ..file(world, "mp4!") };
    world.end(lease, Outcome::Complete(result.clone())).await;
    let info = world.record(lease.no).await.result.unwrap();
    assert_eq!(
        (info.size, info.value, info.content_type, info.filename),
        (4, None, result.content_type.clone(), result.filename.clone())
    );
    assert_eq!(world.store.result(lease.no).await.unwrap(), Some(result));
}
