//! The client by itself.

use std::time::Duration;

use raincheck_client::{Client, Error, NewJob, State, client::Outage};

use crate::{
    mock::{Job, Mock},
    support::{PATIENCE, client},
};

fn done(mock: &Mock, id: usize, bytes: &[u8]) {
    let job = &mut mock.table().jobs[id];
    job.result = Some(("application/x".into(), bytes.into()));
    job.state = "succeeded".into();
}

#[tokio::test]
async fn submit_and_get() {
    let mock = Mock::start();
    let client = client(&mock);
    let submitted = client.submit(&NewJob::new("k").with_input(&[1, 2]).unwrap()).await.unwrap();
    assert_eq!(submitted.location.as_deref(), Some("http://x/jobs/0"));
    assert_eq!(mock.job(0).inline.as_deref(), Some("[1,2]"));
    assert_eq!(client.get("0", None).await.unwrap().state, State::Queued);
    let error = client.get("../jobs/0", None).await.unwrap_err();
    assert_eq!(error.slug(), Some("not-found"), "an id is one segment, whatever it holds");
    let late = client.wait("0", Some(Duration::from_millis(50))).await.unwrap_err();
    assert!(matches!(late, Error::TimedOut(_)));
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_asked_for_again() {
    let mock = Mock::start();
    let client = client(&mock);
    let jobs = ["a", "b", "c"].map(NewJob::new);
    mock.table().lose_answer.insert("batch");
    let kinds = |jobs: &[raincheck_client::Job]| jobs.iter().map(|job| job.kind.clone()).collect::<Vec<_>>();
    let first = client.submit_batch(&jobs).await.unwrap();
    assert!(mock.table().lose_answer.is_empty());
    assert_eq!((kinds(&first), mock.table().jobs.len()), (["a", "b", "c"].map(String::from).to_vec(), 3));
    client.submit_batch(&jobs).await.unwrap();
    assert_eq!(mock.table().batches.len(), 2, "each batch has an id of its own");
    assert_eq!(mock.table().jobs.len(), 6);
    for _ in 0..2 {
        let named = client.submit_batch_as("mine", &jobs[..1]).await.unwrap();
        assert_eq!((&*named[0].id, named[0].purged), ("6", false));
    }
    assert_eq!(mock.table().jobs.len(), 7);
    let nobody = Client::builder("http://127.0.0.1:1").build().unwrap();
    assert!(matches!(nobody.submit_batch(&jobs).await, Err(Error::Unreachable { .. })), "nothing was taken");
}

#[tokio::test]
async fn a_failed_job_is_an_answer() {
    let mock = Mock::start();
    let id = mock.add(Job { kind: "k".into(), ..Job::default() });
    {
        let job = &mut mock.table().jobs[id];
        job.state = "failed".into();
        job.failure = Some(serde_json::json!({"error": {"type": "x/problems/job-failed", "detail": "why"}}));
    }
    let job = client(&mock).wait("0", Some(PATIENCE)).await.unwrap();
    let error = job.error.unwrap();
    assert_eq!((job.state, error.slug(), error.detail.as_deref()), (State::Failed, "job-failed", Some("why")));
}

#[tokio::test]
async fn a_result_goes_on_where_the_connection_broke() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let client = client(&mock);
    let mut copy = Vec::new();
    assert!(matches!(client.result("0", &mut copy).await, Err(Error::NotDone(_))));
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    done(&mock, id, &bytes);
    mock.table().lose_answer.insert("result");
    let info = client.result("0", &mut copy).await.unwrap().unwrap();
    assert!(mock.table().lose_answer.is_empty() && copy == bytes);
    assert_eq!((info.size, info.filename.as_deref()), (300_000, Some("x.bin")));
}

#[tokio::test]
async fn a_stream_is_followed_to_its_end() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    mock.table().jobs[id].stream = b"abcdefgh".into();
    mock.table().jobs[id].attempt = 1;
    let mut feed = client(&mock).stream("0", 1, true);
    let mut bytes = Vec::new();
    while let Some(chunk) = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap() {
        assert_eq!((chunk.attempt, chunk.offset as usize), (1, 1 + bytes.len()));
        bytes.extend_from_slice(&chunk.bytes);
        if bytes.len() == 7 && !mock.job(id).stream.ends_with(b"i") {
            mock.table().jobs[id].stream.push(b'i');
            done(&mock, id, b"");
        }
    }
    assert_eq!(bytes, b"bcdefghi");
}

#[tokio::test]
async fn events_are_followed_to_the_final_one_through_a_restart() {
    let mut mock = Mock::start();
    let id = mock.json("k", "1");
    let mut feed = client(&mock).job_events("0", 0, true);
    let mut seen = Vec::new();
    while let Some(event) = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap() {
        seen.push((event.seq, event.event));
        if seen.len() == 2 {
            mock.down();
            done(&mock, id, b"1");
            mock.up();
        }
    }
    assert_eq!(seen, [(1, "created".into()), (2, "started".into()), (3, "succeeded".into())]);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let client = Client::builder("http://127.0.0.1:1").build().unwrap();
    let error = client.get("0", None).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient());
    for url in ["nonsense", "ftp://x", "http://"] {
        assert!(matches!(Client::builder(url).build(), Err(Error::Configuration(_))), "{url}");
    }
    let hidden = Client::builder("http://x").token("secret").build().unwrap();
    assert!(!format!("{hidden:?}").contains("secret"));
}

#[tokio::test]
async fn who_waits_is_told_once_that_the_server_is_away_and_once_that_it_is_back() {
    let mut mock = Mock::start();
    let (said, news) = std::sync::mpsc::channel();
    let said = std::sync::Mutex::new(said);
    let listener = move |outage: Outage<'_>| {
        let what = match outage {
            Outage::Begins(Error::Unreachable { .. }) => "away",
            Outage::Over => "back",
            other => panic!("{other:?}"),
        };
        said.lock().unwrap().send(what).unwrap();
    };
    let client = Client::builder(mock.url()).on_outage(listener).build().unwrap();
    let id = mock.json("k", "1");
    mock.down();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.wait("0", Some(Duration::from_secs(60))).await }
    });
    let mut all = Vec::new();
    crate::support::eventually("it is said", || {
        all.extend(news.try_recv());
        !all.is_empty()
    })
    .await;
    assert!(client.get("0", None).await.is_err(), "who does not wait gets the error itself");
    mock.up();
    mock.table().jobs[id].state = "succeeded".into();
    waiting.await.unwrap().unwrap();
    all.extend(news.try_iter());
    assert_eq!(all, ["away", "back"]);
}
