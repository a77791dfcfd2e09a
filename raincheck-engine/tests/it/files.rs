use raincheck_core::{Content, NewJob, Outcome, Payload, Spec, limits};
use raincheck_engine::{Finish, SubmitError, digest};

use crate::bed::{Bed, PATIENCE, fingerprint, new_job, request};

/// Stores `text` as a file.
fn file(bed: &Bed, text: &str) -> Content {
    let mut writer = bed.engine.store().blobs().create().unwrap();
    writer.write(text.as_bytes()).unwrap();
    let size = writer.size();
    let payload = Payload::Blob { name: writer.finish().unwrap(), size };
    Content { payload, digest: digest(text.as_bytes()), ..Content::default() }
}

async fn is_there(bed: &Bed, content: &Content) -> bool {
    let Payload::Blob { name, .. } = &content.payload else { panic!("not a file") };
    match bed.engine.store().blobs().size(name).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        size => size.unwrap() == content.payload.size(),
    }
}

async fn are_there<const N: usize>(bed: &Bed, contents: [&Content; N]) -> [bool; N] {
    let mut there = [false; N];
    for (there, content) in there.iter_mut().zip(contents) {
        *there = is_there(bed, content).await;
    }
    there
}

fn with_input(input: &Content, key: &str, byte: u8) -> NewJob {
    let spec = Spec { input: input.clone(), key: Some(key.into()), ..Spec::default() };
    NewJob { fingerprint: fingerprint(byte), spec: Box::new(spec), ..new_job() }
}

#[tokio::test]
async fn inputs_nobody_needs_are_removed() {
    let bed = Bed::new().await;
    let (kept, replayed, refused) = (file(&bed, "a"), file(&bed, "a"), file(&bed, "b"));
    bed.submit(with_input(&kept, "key", 1)).await;
    bed.submit(with_input(&replayed, "key", 1)).await;
    let reused = bed.engine.submit(vec![with_input(&refused, "key", 2)]).await;
    assert!(matches!(reused, Err(SubmitError::Refused { index: 0, retry_after: 0, .. })));
    assert_eq!(are_there(&bed, [&kept, &replayed, &refused]).await, [true, false, false]);
    bed.engine.drain();
    let late = file(&bed, "c");
    assert!(bed.engine.submit(vec![with_input(&late, "other", 3)]).await.is_err());
    assert!(!is_there(&bed, &late).await);
    bed.engine.stop().await;
}

#[tokio::test]
async fn results_nobody_needs_are_removed() {
    let bed = Bed::new().await;
    let job = bed.submit(new_job()).await;
    let lease = bed.lease().await.job.lease_ref();
    let (kept, again, late) = (file(&bed, "r"), file(&bed, "r"), file(&bed, "other"));
    for content in [&kept, &again] {
        let finish = bed.engine.settle(lease, Outcome::Complete(content.clone())).await.unwrap();
        assert!(matches!(finish, Finish::Done(_)));
    }
    let mut end = request(0, 0);
    end.finish = vec![(lease, Outcome::Complete(late.clone()))];
    assert!(matches!(bed.engine.lease(end).await.unwrap().finished[..], [Finish::LeaseLost(_)]));
    assert_eq!(are_there(&bed, [&kept, &again, &late]).await, [true, false, false]);
    bed.engine.purge(job.no).await.unwrap();
    assert!(!is_there(&bed, &kept).await);
    bed.engine.stop().await;
}

#[tokio::test]
async fn a_rerun_has_a_file_of_its_own() {
    let bed = Bed::new().await;
    let input = file(&bed, "large");
    let job = bed.submit(with_input(&input, "key", 1)).await;
    bed.engine.cancel(job.no, false).await.unwrap();
    let again = bed.engine.rerun(&bed.record(&job).await, None, false).await.unwrap();
    bed.engine.purge(job.no).await.unwrap();
    assert!(!is_there(&bed, &input).await);
    let copy = bed.engine.input(again.no).await.unwrap().unwrap();
    assert!(is_there(&bed, &copy).await);
    bed.engine.stop().await;
}

/// Polls once, and waits no more.
async fn given_up<T>(work: impl Future<Output = T>) {
    tokio::select! {
        biased;
        _ = work => panic!("it was done at once"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_seen_through() {
    let bed = Bed::new().await;
    let (kept, replayed) = (file(&bed, "a"), file(&bed, "a"));
    given_up(bed.engine.submit(vec![with_input(&kept, "key", 1)])).await;
    given_up(bed.engine.submit(vec![with_input(&replayed, "key", 1)])).await;
    until_gone(&bed, &replayed).await;
    let leased = bed.lease().await;
    assert_eq!(leased.spec.input.payload, kept.payload);
    let (result, late) = (file(&bed, "r"), file(&bed, "other"));
    given_up(bed.engine.settle(leased.job.lease_ref(), Outcome::Complete(result.clone()))).await;
    given_up(bed.engine.settle(leased.job.lease_ref(), Outcome::Complete(late.clone()))).await;
    until_gone(&bed, &late).await;
    assert_eq!(bed.engine.result(leased.job.no).await.unwrap().unwrap().payload, result.payload);
    assert_eq!(are_there(&bed, [&kept, &result]).await, [true, true]);
    let refused = file(&bed, "edited");
    let record = bed.record(&leased.job).await;
    assert!(bed.engine.rerun(&record, Some(refused.clone()), false).await.is_err(), "a POST job that succeeded");
    until_gone(&bed, &refused).await;
    bed.engine.stop().await;
}

async fn until_gone(bed: &Bed, content: &Content) {
    let begin = std::time::Instant::now();
    while is_there(bed, content).await {
        assert!(begin.elapsed().as_millis() < PATIENCE as u128, "a file that nobody needs is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_left_half_written_is_removed_while_it_runs() {
    let bed = Bed::settings(|settings| settings.litter_every = 20).await;
    let left = bed.folder.path().join("blobs/tmp/0123456789abcdef0123456789abcdef");
    std::fs::write(&left, "half").unwrap();
    let begin = std::time::Instant::now();
    while left.exists() {
        assert!(begin.elapsed().as_millis() < PATIENCE as u128, "it is still there");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(bed.engine.counters().litter.load(std::sync::atomic::Ordering::Relaxed) >= 1);
    bed.engine.stop().await;
}

#[tokio::test]
async fn what_no_job_refers_to_is_set_aside_while_it_runs() {
    let bed = Bed::settings(|settings| settings.orphans_step = 1).await;
    let orphan = file(&bed, "an orphan");
    let begin = std::time::Instant::now();
    while is_there(&bed, &orphan).await {
        assert!(begin.elapsed().as_millis() < PATIENCE as u128, "it is still there");
        bed.clock.advance(limits::ORPHANS_MILLIS);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(bed.engine.store().blobs().count_set_aside(), 1);
    bed.engine.stop().await;
}
