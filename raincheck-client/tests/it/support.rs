//! What the tests share: a worker in the background, waiting for facts, looking at processes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use raincheck_client::{
    Client, Error, Worker, WorkerBuilder,
    run::command::{Command, CommandBuilder},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::mock::{Job, Mock};

/// A fact that is not there by then never comes.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const SUPERVISOR: &str = env!("CARGO_BIN_EXE_raincheck-supervise");

pub fn client(mock: &Mock) -> Client {
    Client::builder(mock.url()).build().unwrap()
}

pub fn shell(script: &str) -> CommandBuilder {
    Command::builder("sh", ["-c", script]).supervisor(SUPERVISOR).kill_after(Duration::from_secs(1))
}

/// A kept program: `ask` reads the next question into `line`, `say` names its job and attempt.
pub fn kept(script: &str) -> CommandBuilder {
    let words = r#"
        ask() {
            IFS= read -r line || exit 0
            id=${line#*\"id\":\"}; id=${id%%\"*}
            attempt=${line##*\"attempt\":}; attempt=${attempt%%[,\}]*}
        }
        say() { printf '{"job":"%s","attempt":%s,%s}\n' "$id" "$attempt" "$1"; }
    "#;
    shell(&format!("{words}{script}")).keep(true)
}

pub struct Running {
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub fn start(worker: WorkerBuilder) -> Self {
        let (worker, shutdown) = (worker.build().unwrap(), CancellationToken::new());
        let task = tokio::spawn(worker.run(shutdown.clone()));
        Self { shutdown, task }
    }

    pub async fn drain(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the worker drains").unwrap().unwrap();
    }
}

pub fn worker(mock: &Mock) -> WorkerBuilder {
    Worker::builder(client(mock)).name("w")
}

/// Runs a script as kind `k` until `id` is final.
pub async fn outcome(mock: &Mock, command: CommandBuilder, id: usize) -> Job {
    let running = Running::start(worker(mock).kind("k", command.build().unwrap()));
    let job = ended(mock, id).await;
    running.drain().await;
    job
}

pub async fn ended(mock: &Mock, id: usize) -> Job {
    eventually("the job ends", || mock.job(id).ends > 0).await;
    mock.job(id)
}

pub async fn eventually(what: &str, mut fact: impl FnMut() -> bool) {
    within(PATIENCE, what, &mut fact).await;
}

pub async fn within(limit: Duration, what: &str, mut fact: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !fact() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs; one that is dead and not yet collected does not.
pub fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The process ids in a file, once there are so many.
pub async fn pids(file: &Path, count: usize) -> Vec<String> {
    let read =
        || -> Vec<String> { std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect() };
    eventually("the processes are there", || read().len() >= count).await;
    read()
}

/// Writes its own process id, a child's and that of one in a session of its own; none of them ends on SIGTERM.
pub fn family(pids: &Path) -> String {
    let pids = pids.display();
    format!(
        "trap '' TERM; echo $$ >> {pids}; \
         sh -c 'trap \"\" TERM; echo $$ >> {pids}; while :; do sleep 1; done' & \
         setsid sh -c 'trap \"\" TERM; echo $$ >> {pids}; while :; do sleep 1; done' & \
         while :; do sleep 1; done"
    )
}
