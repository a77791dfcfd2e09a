//! Functions as runners.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use raincheck_client::{
    Error, Progress,
    client::ResultBody,
    run::{Outcome, StopReason, Task, function},
};

use crate::{
    mock::Mock,
    support::{Running, ended, eventually, worker},
};

#[tokio::test]
async fn every_outcome_arrives() {
    let mock = Mock::start();
    let runner = function(|task: Task| async move {
        let what: String = task.input_as().await?;
        Ok::<_, Error>(match what.as_str() {
            "fail" => Outcome::fail("t", "title", "detail"),
            "release" => Outcome::Release(None),
            "nothing" => Outcome::Complete(ResultBody::None),
            "bytes" => Outcome::Complete(ResultBody::Bytes {
                bytes: vec![0, 1].into(),
                content_type: "image/x".into(),
                filename: Some("a.x".into()),
            }),
            "large" => Outcome::complete(&"x".repeat(100_000)),
            "panic" => panic!("on purpose"),
            other => Outcome::complete(&other.len()),
        })
    });
    let running = Running::start(worker(&mock).kind("k", runner).concurrency(4));
    let ids: Vec<usize> =
        ["\"four\"", "\"fail\"", "\"release\"", "\"nothing\"", "\"bytes\"", "\"large\"", "\"panic\"", "7"]
            .map(|input| mock.json("k", input))
            .into();
    let mut jobs = Vec::new();
    for id in ids {
        jobs.push(ended(&mock, id).await);
    }
    running.drain().await;
    let states: Vec<_> = jobs.iter().map(|job| job.state.as_str()).collect();
    assert_eq!(states, ["succeeded", "failed", "released", "succeeded", "succeeded", "succeeded", "failed", "failed"]);
    assert_eq!(jobs[0].result.as_ref().unwrap().1, b"4");
    let failure = jobs[1].failure.as_ref().unwrap();
    let expected = serde_json::json!({"type": "t", "title": "title", "detail": "detail"});
    assert_eq!((&failure["error"], &failure["retryable"]), (&expected, &false.into()));
    assert_eq!(jobs[3].result, None);
    assert_eq!(jobs[4].result, Some(("image/x".into(), vec![0, 1])));
    assert_eq!(jobs[4].disposition.as_deref(), Some("attachment; filename=\"a.x\""));
    assert_eq!(jobs[5].result.as_ref().unwrap().1.len(), 100_002);
    let panic = jobs[6].failure.as_ref().unwrap();
    assert_eq!((&panic["error"]["detail"], &panic["retryable"]), (&"on purpose".into(), &true.into()));
    assert_eq!(jobs[7].failure.as_ref().unwrap()["retryable"], true);
    assert!(jobs.iter().all(|job| job.ends == 1));
}

#[tokio::test]
async fn progress_log_and_stream_arrive_in_order_and_once() {
    let mock = Mock::start();
    let runner = function(|task: Task| async move {
        for step in 0..200 {
            task.progress(Progress::percent(f64::from(step) / 2.0, ""));
            task.log(&format!("line {step}"));
            task.stream(format!("{step} ")).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let id = mock.json("k", "1");
    let running = Running::start(worker(&mock).kind("k", runner));
    let job = ended(&mock, id).await;
    running.drain().await;
    let expected: Vec<_> = (0..200).map(|step| format!("line {step}\n")).collect();
    assert_eq!(String::from_utf8(job.log).unwrap(), expected.concat());
    let expected: Vec<_> = (0..200).map(|step| format!("{step} ")).collect();
    assert_eq!(String::from_utf8(job.stream).unwrap(), expected.concat());
    assert_eq!(job.progress.last().unwrap()["percent"], 99.5);
    assert!(job.progress.len() <= 10, "throttled: {}", job.progress.len());
}

#[tokio::test]
async fn a_report_that_is_refused_costs_no_lease() {
    let mock = Mock::start();
    let runner = function(|task: Task| async move {
        task.progress(Progress::percent(f64::from(u32::MAX), "x".repeat(10_000)));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let data = raincheck_client::api::raw_json(&serde_json::json!({"bad": true})).ok();
        for _ in 0..20 {
            task.progress(Progress { data: data.clone(), ..Progress::default() });
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let id = mock.json("k", "1");
    let running = Running::start(worker(&mock).kind("k", runner));
    let job = ended(&mock, id).await;
    running.drain().await;
    assert_eq!((job.state.as_str(), &job.progress[0]["percent"]), ("succeeded", &100.0.into()));
    assert_eq!(job.progress[0]["message"].as_str().unwrap().len(), 1024);
    assert!(job.beats > 2, "{} heartbeats", job.beats);
}

#[tokio::test]
async fn cancel_arrives_at_once_and_a_deaf_function_is_dropped() {
    let mock = Mock::start();
    let runner = function(|task: Task| async move {
        match task.input_as::<String>().await?.as_str() {
            "deaf" => std::future::pending().await,
            _ => {
                let reason = task.stopped().await;
                assert_eq!(reason, StopReason::Canceled);
                Ok::<_, Error>(Outcome::fail("canceled", "heard", ""))
            }
        }
    });
    let running = Running::start(worker(&mock).kind("k", runner).concurrency(2));
    for input in ["\"hears\"", "\"deaf\""] {
        let id = mock.json("k", input);
        eventually("it is alive", || mock.job(id).beats > 1).await;
        mock.cancel(id);
        assert_eq!(ended(&mock, id).await.state, "canceled");
    }
    running.drain().await;
}

#[tokio::test]
async fn a_busy_worker_finishes_and_leases_in_one_round_trip() {
    const JOBS: usize = 500;
    let mock = Mock::start();
    let ids: Vec<_> = (0..JOBS).map(|n| mock.json("k", &n.to_string())).collect();
    let most = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let runner = {
        let most = most.clone();
        function(move |task: Task| {
            let most = most.clone();
            async move {
                most.1.fetch_max(most.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let value = task.input_as::<u64>().await;
                tokio::task::yield_now().await;
                most.0.fetch_sub(1, Ordering::SeqCst);
                value.map(|value| Outcome::complete(&value))
            }
        })
    };
    let running = Running::start(worker(&mock).kind("k", runner).concurrency(16));
    for id in ids {
        assert_eq!(ended(&mock, id).await.result.unwrap().1, id.to_string().into_bytes());
    }
    running.drain().await;
    assert!(most.1.load(Ordering::SeqCst) <= 16, "more at once than slots");
    let table = mock.table();
    assert_eq!(table.ends_in_lease_calls as usize, JOBS);
    assert!((table.lease_calls as usize) < JOBS, "{} calls for {JOBS} jobs", table.lease_calls);
    assert!(table.largest_batch > 1);
}
