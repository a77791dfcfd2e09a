use raincheck_core::{Content, NewJob, Outcome, Payload, Sameness, Spec, limits};
use raincheck_engine::{Finish, RerunRequest, SubmitError, digest};

use crate::test_engine::{PATIENCE, TestEngine, fingerprint, new_job, request};

/// Stores `text` as a file.
fn file(test: &TestEngine, text: &str) -> Content {
    let mut writer = test.engine.store().blobs().create().unwrap();
    writer.write(text.as_bytes()).unwrap();
    let size = writer.size();
    let payload = Payload::Blob { name: writer.finish().unwrap(), size };
    Content { payload, digest: digest(text.as_bytes()), ..Content::default() }
}

async fn is_there(test: &TestEngine, content: &Content) -> bool {
    let Payload::Blob { name, .. } = &content.payload else { panic!("not a file") };
    match test.engine.store().blobs().size(name).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        size => size.unwrap() == content.payload.size(),
    }
}

async fn are_there<const N: usize>(test: &TestEngine, contents: [&Content; N]) -> [bool; N] {
    let mut there = [false; N];
    for (there, content) in there.iter_mut().zip(contents) {
        *there = is_there(test, content).await;
    }
    there
}

fn with_input(input: &Content, key: &str, byte: u8) -> NewJob {
    let spec = Spec { input: input.clone(), key: Some(key.into()), ..Spec::default() };
    NewJob { fingerprint: fingerprint(byte), spec: Box::new(spec), ..new_job() }
}

#[tokio::test]
async fn inputs_nobody_needs_are_removed() {
    let test = TestEngine::new().await;
    let (kept, replayed, refused) = (file(&test, "a"), file(&test, "a"), file(&test, "b"));
    test.submit(with_input(&kept, "key", 1)).await;
    test.submit(with_input(&replayed, "key", 1)).await;
    let reused = test.engine.submit(vec![with_input(&refused, "key", 2)]).await;
    assert!(matches!(reused, Err(SubmitError::Refused { index: 0, retry_after: 0, .. })));
    assert_eq!(are_there(&test, [&kept, &replayed, &refused]).await, [true, false, false]);
    test.engine.drain();
    let late = file(&test, "c");
    assert!(test.engine.submit(vec![with_input(&late, "other", 3)]).await.is_err());
    assert!(!is_there(&test, &late).await);
    test.engine.stop().await;
}

#[tokio::test]
async fn results_nobody_needs_are_removed() {
    let test = TestEngine::new().await;
    let job = test.submit(new_job()).await;
    let lease = test.lease().await.job.lease_ref();
    let (kept, again, late) = (file(&test, "r"), file(&test, "r"), file(&test, "other"));
    for content in [&kept, &again] {
        let finish = test.engine.settle(lease, Outcome::Complete(content.clone())).await.unwrap();
        assert!(matches!(finish, Finish::Done(_)));
    }
    let mut end = request(0, 0);
    end.finish = vec![(lease, Outcome::Complete(late.clone()))];
    assert!(matches!(test.engine.lease(end).await.unwrap().finished[..], [Finish::LeaseLost(_)]));
    assert_eq!(are_there(&test, [&kept, &again, &late]).await, [true, false, false]);
    test.engine.purge(job.no).await.unwrap();
    assert!(!is_there(&test, &kept).await);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_rerun_has_a_file_of_its_own() {
    let test = TestEngine::new().await;
    let input = file(&test, "large");
    let job = test.submit(with_input(&input, "key", 1)).await;
    test.engine.cancel(job.no, false, None).await.unwrap();
    let again = test.engine.rerun(&test.record(&job).await, RerunRequest::default()).await.unwrap();
    test.engine.purge(job.no).await.unwrap();
    assert!(!is_there(&test, &input).await);
    let copy = test.engine.input(again.job().no).await.unwrap().unwrap();
    assert!(is_there(&test, &copy).await);
    test.engine.stop().await;
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
    let test = TestEngine::new().await;
    let (kept, replayed) = (file(&test, "a"), file(&test, "a"));
    given_up(test.engine.submit(vec![with_input(&kept, "key", 1)])).await;
    given_up(test.engine.submit(vec![with_input(&replayed, "key", 1)])).await;
    until_gone(&test, &replayed).await;
    let leased = test.lease().await;
    assert_eq!(leased.spec.input.payload, kept.payload);
    let (result, late) = (file(&test, "r"), file(&test, "other"));
    given_up(test.engine.settle(leased.job.lease_ref(), Outcome::Complete(result.clone()))).await;
    given_up(test.engine.settle(leased.job.lease_ref(), Outcome::Complete(late.clone()))).await;
    until_gone(&test, &late).await;
    assert_eq!(test.engine.result(leased.job.no).await.unwrap().unwrap().payload, result.payload);
    assert_eq!(are_there(&test, [&kept, &result]).await, [true, true]);
    let refused = file(&test, "edited");
    let record = test.record(&leased.job).await;
    let asked = RerunRequest { input: Some((refused.clone(), Sameness::Empty)), ..RerunRequest::default() };
    assert!(test.engine.rerun(&record, asked).await.is_err(), "a POST job that succeeded");
    until_gone(&test, &refused).await;
    test.engine.stop().await;
}

async fn until_gone(test: &TestEngine, content: &Content) {
    let begin = std::time::Instant::now();
    while is_there(test, content).await {
        assert!(begin.elapsed().as_millis() < PATIENCE as u128, "a file that nobody needs is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_left_half_written_is_removed_while_it_runs() {
    let test = TestEngine::settings(|settings| settings.litter_every = 20).await;
    let left = test.folder.path().join("blobs/tmp/0123456789abcdef0123456789abcdef");
    std::fs::write(&left, "half").unwrap();
    let begin = std::time::Instant::now();
    while left.exists() {
        assert!(begin.elapsed().as_millis() < PATIENCE as u128, "it is still there");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(test.engine.counters().litter.load(std::sync::atomic::Ordering::Relaxed) >= 1);
    test.engine.stop().await;
}

#[tokio::test]
async fn what_no_job_refers_to_is_set_aside_while_it_runs() {
    let test = TestEngine::settings(|settings| settings.orphans_step = 1).await;
    let orphan = file(&test, "an orphan");
    let begin = std::time::Instant::now();
    while is_there(&test, &orphan).await {
        assert!(begin.elapsed().as_millis() < PATIENCE as u128, "it is still there");
        test.clock.advance(limits::ORPHANS_MILLIS);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(test.engine.store().blobs().count_set_aside(), 1);
    test.engine.stop().await;
}
