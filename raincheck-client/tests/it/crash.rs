//! A worker that is killed with SIGKILL takes its programs with it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use raincheck_client::{Client, Worker};
use tokio_util::sync::CancellationToken;

use crate::{
    mock::Mock,
    support::{eventually, family, is_alive, pids, shell, within},
};

const URL: &str = "WORKER_URL";
const DIRECTORY: &str = "WORKER_DIRECTORY";

/// Not a test: the process that the tests below start and kill.
#[tokio::test]
#[ignore = "started by the other tests"]
async fn worker_process() {
    let Some((url, directory)) = std::env::var(URL).ok().zip(std::env::var_os(DIRECTORY).map(PathBuf::from)) else {
        return;
    };
    let command = shell(&family(&directory.join("pids"))).scratch(directory.join("scratch"));
    let kept = shell(&family(&directory.join("kept"))).scratch(directory.join("scratch")).keep(true);
    let worker = Worker::builder(Client::builder(url).build().unwrap())
        .concurrency(2)
        .kind("k", command.build().unwrap())
        .kind("kept", kept.build().unwrap());
    worker.build().unwrap().run(CancellationToken::new()).await.unwrap();
}

#[tokio::test]
async fn programs_are_gone_within_two_seconds_of_a_kill_9() {
    for _ in 0..3 {
        let mock = Mock::start();
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("scratch")).unwrap();
        let mut worker = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::worker_process", "--ignored", "--nocapture"])
            .env(URL, mock.url())
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        mock.json("k", "1");
        mock.json("kept", "1");
        let mut all = pids(&directory.path().join("pids"), 3).await;
        all.extend(pids(&directory.path().join("kept"), 3).await);
        assert!(all.iter().all(|pid| is_alive(pid)));
        worker.kill().unwrap();
        within(Duration::from_secs(2), "all are gone", || !all.iter().any(|pid| is_alive(pid))).await;
        worker.wait().unwrap();
        let scratch = || std::fs::read_dir(directory.path().join("scratch")).unwrap().count();
        eventually("nothing is left on disk", || scratch() == 0).await;
    }
}
