//! The loop over a server in memory, with runs that do what a test says. Tests wait for facts with a deadline, never for time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod server;

use std::time::Duration;

use raincheck_worker::{Options, StopReason, Worker};
use server::{End, Runs, Server};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No test takes so long that passes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn start(server: &Server, runs: Runs, concurrency: usize) -> Running {
    let shutdown = CancellationToken::new();
    let options = Options { concurrency, grace: None, hurry: CancellationToken::new() };
    let worker = Worker::new(server.clone(), runs, options).run(shutdown.clone());
    Running { shutdown, task: tokio::spawn(async move { worker.await.unwrap() }) }
}

impl Running {
    async fn drain(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it drains").unwrap();
    }
}

#[tokio::test]
async fn every_job_is_run_once_and_no_more_at_once_than_there_are_slots() {
    let server = Server::default();
    server.submit(0..200);
    let running = start(&server, Runs::new(|job, _| async move { End::Done(job) }), 3);
    server.until("all ended", |state| state.ends.len() == 200).await;
    running.drain().await;
    let state = server.state();
    assert!((0..200).all(|job| state.ends.iter().filter(|end| **end == (job, End::Done(job))).count() == 1));
    assert!(state.most_running <= 3, "{}", state.most_running);
}

#[tokio::test]
async fn a_canceled_run_says_how_it_ended_and_a_lost_one_says_nothing() {
    let server = Server::default();
    server.submit(0..2);
    let stopped = Runs::new(|_, stop| async move {
        match stop.ordered().await {
            StopReason::Canceled => End::Failed("canceled".into()),
            reason => End::Failed(format!("{reason:?}")),
        }
    });
    let running = start(&server, stopped, 2);
    server.until("both run", |state| state.running.len() == 2).await;
    server.change(|state| {
        state.running.remove(&1);
        state.canceled.insert(0);
    });
    server.until("one ended", |state| !state.ends.is_empty()).await;
    running.drain().await;
    assert_eq!(server.state().ends, [(0, End::Failed("canceled".into()))]);
}

#[tokio::test]
async fn a_panic_and_a_run_that_does_not_stop_are_ends_too() {
    let server = Server::default();
    server.submit(0..2);
    let runs = Runs::new(|job, _| async move {
        assert!(job != 0, "on purpose");
        std::future::pending().await
    });
    let running = start(&server, runs, 2);
    server.until("the other runs", |state| state.running.contains(&1) && !state.ends.is_empty()).await;
    server.change(|state| state.canceled.insert(1));
    server.until("it is dropped", |state| state.ends.len() == 2).await;
    running.drain().await;
    assert_eq!(server.state().ends, [(0, End::Failed("panic: on purpose".into())), (1, End::Failed("dropped".into()))]);
}

#[tokio::test]
async fn an_end_that_is_refused_among_others_is_handed_in_alone() {
    let server = Server::default();
    server.change(|state| state.refuses = Some(1));
    server.submit(0..3);
    let running = start(&server, Runs::new(|job, _| async move { End::Done(job) }), 3);
    server.until("all ended", |state| state.ends.len() == 3).await;
    running.drain().await;
    assert_eq!(server.state().alone, [1]);
}

#[tokio::test]
async fn draining_ends_what_runs_and_gives_back_what_it_was_about_to_get() {
    let server = Server::default();
    server.submit(0..1);
    let gate = CancellationToken::new();
    let opened = gate.clone();
    let runs = Runs::new(move |job, _| {
        let gate = gate.clone();
        async move {
            gate.cancelled().await;
            End::Done(job)
        }
    });
    let running = start(&server, runs, 2);
    server.until("it asks for more", |state| state.running.contains(&0) && state.asks > 1).await;
    server.change(|state| state.in_vain = Some(7));
    running.shutdown.cancel();
    server.until("one is given back", |state| state.ends.contains(&(7, End::Released))).await;
    assert!(!running.task.is_finished());
    opened.cancel();
    running.drain().await;
    assert_eq!(server.state().ends.last(), Some(&(0, End::Done(0))));
}

#[tokio::test]
async fn progress_arrives_before_the_end_and_a_server_that_is_away_is_waited_for() {
    let server = Server::default();
    server.change(|state| state.is_away = true);
    server.submit(0..1);
    let running = start(&server, Runs::new(|job, _| async move { End::Done(job) }).with_progress(), 1);
    server.until("it asks in vain", |state| state.asks > 1).await;
    server.change(|state| state.is_away = false);
    server.until("it ended", |state| !state.ends.is_empty()).await;
    running.drain().await;
    assert_eq!(server.state().progress, [(0, 50)]);
}

#[tokio::test]
async fn a_job_that_cannot_be_run_here_is_given_back_and_the_server_is_told_why() {
    let server = Server::default();
    server.submit(0..1);
    let running = start(&server, Runs::new(|_, _| async move { End::Failed("no disk".into()) }).in_trouble(), 1);
    server.until("it is given back", |state| state.ends == [(0, End::Released)]).await;
    server.until("it says why", |state| state.troubles.iter().any(|what| what == "no disk")).await;
    running.drain().await;
}
