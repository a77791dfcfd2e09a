//! The engine looks through its own data and counts what is wrong.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use raincheck_core::{Content, Payload};

use crate::test_engine::{TestEngine, new_job};

async fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !fact() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn sound_data_is_looked_through_and_nothing_is_found() {
    let test = TestEngine::new().await;
    test.submit(new_job()).await;
    until("a round ends", || test.engine.counters().checkups.load(Relaxed) > 0).await;
    assert_eq!(test.engine.counters().violations.load(Relaxed), 0);
    assert_eq!(test.engine.counters().loop_errors.load(Relaxed), 0);
}

#[tokio::test]
async fn a_payload_that_vanished_is_counted() {
    let test = TestEngine::new().await;
    let mut writer = test.engine.store().blobs().create().unwrap();
    writer.write(b"gone").unwrap();
    let (size, name) = (writer.size(), writer.finish().unwrap());
    let mut new = new_job();
    new.spec.input = Content { payload: Payload::Blob { name: name.clone(), size }, ..Content::default() };
    test.submit(new).await;
    test.engine.store().blobs().remove(vec![name]).await.unwrap();
    until("it is found", || test.engine.counters().violations.load(Relaxed) > 0).await;
}
