//! The engine looks through its own data and counts what is wrong.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use raincheck_core::{Content, Payload};

use crate::bed::{Bed, new_job};

async fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !fact() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn sound_data_is_looked_through_and_nothing_is_found() {
    let bed = Bed::new().await;
    bed.submit(new_job()).await;
    until("a round ends", || bed.engine.counters().checkups.load(Relaxed) > 0).await;
    assert_eq!(bed.engine.counters().violations.load(Relaxed), 0);
    assert_eq!(bed.engine.counters().loop_errors.load(Relaxed), 0);
}

#[tokio::test]
async fn a_payload_that_vanished_is_counted() {
    let bed = Bed::new().await;
    let mut writer = bed.engine.store().blobs().create().unwrap();
    writer.write(b"gone").unwrap();
    let (size, name) = (writer.size(), writer.finish().unwrap());
    let mut new = new_job();
    new.spec.input = Content { payload: Payload::Blob { name: name.clone(), size }, ..Content::default() };
    bed.submit(new).await;
    bed.engine.store().blobs().remove(vec![name]).await.unwrap();
    until("it is found", || bed.engine.counters().violations.load(Relaxed) > 0).await;
}
