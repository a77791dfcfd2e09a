//! Drain, lost answers, restarts of the server.

use std::io::Read as _;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use raincheck_client::{
    Error,
    client::ResultBody,
    run::{Outcome, Task, function},
};
use tokio_util::sync::CancellationToken;

use crate::{
    mock::Mock,
    support::{PATIENCE, Running, ended, eventually, family, is_alive, pids, shell, worker},
};

/// Ends when told, with the number of its attempt.
fn gated(gate: &CancellationToken) -> impl raincheck_client::Runner + use<> {
    let gate = gate.clone();
    function(move |task: Task| {
        let gate = gate.clone();
        async move {
            gate.cancelled().await;
            Outcome::complete(&task.attempt())
        }
    })
}

#[tokio::test]
async fn drain_takes_nothing_new_and_finishes_what_runs() {
    let (mock, gate) = (Mock::start(), CancellationToken::new());
    let id = mock.json("k", "1");
    let running = Running::start(worker(&mock).kind("k", gated(&gate)));
    // Leased is not enough: a lease whose answer is still on its way is given back.
    eventually("it runs", || mock.job(id).beats > 0).await;
    running.shutdown.cancel();
    let late = mock.json("k", "2");
    let beats = mock.job(id).beats;
    eventually("it is kept alive", || mock.job(id).beats > beats + 1).await;
    assert!(!running.task.is_finished());
    gate.cancel();
    running.drain().await;
    assert_eq!((mock.job(id).state.as_str(), mock.job(late).attempt), ("succeeded", 0));
}

#[tokio::test]
async fn an_idle_worker_drains_at_once() {
    let mock = Mock::start();
    let running = Running::start(worker(&mock).kind("k", gated(&CancellationToken::new())));
    eventually("it asks", || mock.table().lease_calls > 0).await;
    running.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), running.task)
        .await
        .expect("no long poll is waited for")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn drain_gives_back_a_lease_whose_answer_was_on_its_way() {
    let (mock, gate) = (Mock::start(), CancellationToken::new());
    // Breaks the connection after the lease, so that the worker is about to ask again when it is told to drain.
    mock.table().lose_answer.insert("lease");
    let id = mock.json("k", "1");
    // Should it be faster and run the job all the same, the grace ends it.
    let running = Running::start(worker(&mock).kind("k", gated(&gate)).grace(Duration::ZERO));
    eventually("it is leased", || mock.job(id).state == "running").await;
    running.drain().await;
    let job = mock.job(id);
    assert_eq!((job.state.as_str(), job.attempt, job.ends), ("released", 1, 1));
}

#[tokio::test]
async fn after_the_grace_what_runs_is_stopped_and_released() {
    let (mock, gate) = (Mock::start(), CancellationToken::new());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let worker = worker(&mock).concurrency(2).grace(Duration::from_millis(50));
    let running = Running::start(worker.kind("k", shell(&family(&file)).build().unwrap()).kind("deaf", gated(&gate)));
    let (command, deaf) = (mock.json("k", "1"), mock.json("deaf", "1"));
    let pids = pids(&file, 3).await;
    eventually("both run", || mock.job(deaf).state == "running").await;
    running.drain().await;
    assert_eq!((mock.job(command).state.as_str(), mock.job(deaf).state.as_str()), ("released", "released"));
    eventually("all are gone", || !pids.iter().any(|pid| is_alive(pid))).await;
}

#[tokio::test]
async fn lost_answers_lose_and_double_nothing() {
    let (mock, gate) = (Mock::start(), CancellationToken::new());
    gate.cancel();
    mock.table().lose_answer.extend(["lease", "finish"]);
    let running = Running::start(worker(&mock).kind("k", gated(&gate)));
    for _ in 0..3 {
        let id = mock.json("k", "1");
        let job = ended(&mock, id).await;
        assert_eq!((job.state.as_str(), job.attempt, job.ends), ("succeeded", 1, 1));
    }
    assert!(mock.table().lose_answer.is_empty());
    running.drain().await;
}

#[tokio::test]
async fn a_restart_of_the_server_is_waited_for() {
    let (mut mock, gate) = (Mock::start(), CancellationToken::new());
    let first = mock.json("k", "1");
    let running = Running::start(worker(&mock).kind("k", gated(&gate)).concurrency(2));
    let client = crate::support::client(&mock);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.wait("0", Some(PATIENCE)).await }
    });
    eventually("it runs", || mock.job(first).beats > 0).await;
    mock.down();
    // It ends while whoever tells of it is not answered.
    let (deaf, mut calls) = (mock.listen(), Vec::new());
    deaf.set_nonblocking(true).unwrap();
    gate.cancel();
    eventually("its end is told in vain", || {
        while let Ok((call, _)) = deaf.accept() {
            call.set_nonblocking(true).unwrap();
            calls.push((call, Vec::new()));
        }
        calls.iter_mut().any(|(call, said)| {
            // Ends with an error where nothing more has come.
            let _ = call.read_to_end(said);
            String::from_utf8_lossy(said).contains("complete")
        })
    })
    .await;
    drop((deaf, calls));
    mock.up();
    let job = ended(&mock, first).await;
    assert_eq!((job.state.as_str(), job.attempt, job.ends), ("succeeded", 1, 1));
    let next = mock.json("k", "2");
    assert_eq!(ended(&mock, next).await.state, "succeeded");
    let waited = waiting.await.unwrap().unwrap();
    assert_eq!((waited.state.as_str(), waited.result.unwrap().value.unwrap().get()), ("succeeded", "1"));
    running.drain().await;
}

#[tokio::test]
async fn a_function_stops_when_its_lease_is_lost() {
    let (mock, gate) = (Mock::start(), CancellationToken::new());
    let id = mock.json("k", "1");
    let stopped = CancellationToken::new();
    let runner = {
        let stopped = stopped.clone();
        function(move |task: Task| {
            let stopped = stopped.clone();
            async move {
                task.stopped().await;
                stopped.cancel();
                Outcome::complete(&"in vain")
            }
        })
    };
    let running = Running::start(worker(&mock).kind("k", runner).kind("next", gated(&gate)));
    eventually("it runs", || mock.job(id).state == "running").await;
    mock.lose(id);
    tokio::time::timeout(PATIENCE, stopped.cancelled()).await.unwrap();
    gate.cancel();
    let next = mock.json("next", "1");
    assert_eq!(ended(&mock, next).await.state, "succeeded", "its slot is free again");
    running.drain().await;
    assert_eq!((mock.job(id).state.as_str(), mock.job(id).ends), ("lost", 0));
}

#[tokio::test]
async fn a_worker_that_may_not_work_says_so() {
    let mock = Mock::start();
    mock.table().refuse_leases = Some(StatusCode::FORBIDDEN);
    let running = Running::start(worker(&mock).kind("k", gated(&CancellationToken::new())));
    let error = tokio::time::timeout(PATIENCE, running.task).await.unwrap().unwrap().unwrap_err();
    assert_eq!((error.status(), error.slug()), (Some(403), Some("forbidden")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_does_not_wait_for_ever_for_a_server_that_is_gone() {
    let gone = |is_silent: bool| async move {
        let (mut mock, gate) = (Mock::start(), CancellationToken::new());
        let id = mock.json("k", "1");
        let runner = {
            let gate = gate.clone();
            function(move |task: Task| {
                let gate = gate.clone();
                async move {
                    gate.cancelled().await;
                    task.log("the last words");
                    let (bytes, content_type) = (vec![0; 1 << 20].into(), "image/png".to_owned());
                    Outcome::Complete(ResultBody::Bytes { bytes, content_type, filename: None })
                }
            })
        };
        let running = Running::start(worker(&mock).kind("k", runner));
        eventually("it runs", || mock.job(id).beats > 0).await;
        mock.down();
        // Takes connections and says nothing.
        let silent = is_silent.then(|| mock.listen());
        running.shutdown.cancel();
        gate.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(50), running.task).await.expect("it ends").unwrap();
        drop(silent);
        assert!(matches!(ended, Err(Error::Untold(1))), "{ended:?}");
    };
    tokio::join!(gone(false), gone(true));
}

#[tokio::test]
async fn a_server_that_is_about_to_stop_is_asked_again_later() {
    let mock = Mock::start();
    mock.table().drain = 2;
    let begun = Instant::now();
    let running = Running::start(worker(&mock).kind("k", function(|_| async { Outcome::complete(&1) })));
    let id = mock.json("k", "1");
    assert_eq!(ended(&mock, id).await.state, "succeeded");
    assert_eq!(mock.table().drain, 0);
    assert!(begun.elapsed() >= Duration::from_secs(2), "it pauses each time: {:?}", begun.elapsed());
    running.drain().await;
}
