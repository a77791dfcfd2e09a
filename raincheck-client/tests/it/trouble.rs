//! What is wrong with a worker fails no job: it is given back, and done when the trouble is over or by another worker.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use raincheck_client::{
    Error, WorkerBuilder,
    client::ResultBody,
    run::{Outcome, Runner, Task, command::Command, function},
};

use crate::{
    mock::{Job, Mock, Shared},
    support::{Running, SUPERVISOR, ended, eventually, kept, shell, worker},
};

/// As a real server: what is released is queued again.
fn server() -> Mock {
    let mock = Mock::start();
    mock.table().again = true;
    mock
}

fn succeeded(job: &Job) -> bool {
    (job.state.as_str(), job.ends, &job.failure) == ("succeeded", 1, &None)
}

/// In the place of what is there, if anything, at one stroke.
fn install(program: &Path, script: &str) {
    let new = program.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, program).unwrap();
}

fn installed(program: &Path) -> raincheck_client::run::command::CommandBuilder {
    Command::builder(program, [] as [&str; 0]).supervisor(SUPERVISOR)
}

#[tokio::test]
async fn a_program_that_vanishes_and_comes_back() {
    for keep in [false, true] {
        let (mock, dir) = (server(), tempfile::tempdir().unwrap());
        let program = dir.path().join("program");
        install(&program, "exit 3");
        let command = installed(&program).keep(keep).build().unwrap();
        fs::remove_file(&program).unwrap();
        // That it is there when the worker looks, and gone when it runs, is the case that costs something.
        let runner = Late { command, missing: AtomicU32::new(1) };
        let running = Running::start(worker(&mock).kind("k", runner));
        let id = mock.json("k", "1");
        eventually("it is given back", || mock.job(id).releases > 0).await;
        let log = String::from_utf8(mock.job(id).log).unwrap();
        assert!(log.starts_with("raincheck: given back, as this worker cannot run it: cannot start `"), "{log}");
        eventually("the server is told", || mock.table().troubles.iter().any(|it| it.starts_with("cannot start `")))
            .await;
        let answer = r#"printf '{"job":"0","attempt":%s,"result":1}\n' ${1:-2}"#;
        install(&program, if keep { answer } else { "echo 1" });
        let job = ended(&mock, id).await;
        assert!(succeeded(&job), "{job:?}", job = (job.state, job.failure, job.log));
        running.drain().await;
    }
}

/// Looks too early so many times.
struct Late {
    command: Command,
    missing: AtomicU32,
}

#[async_trait::async_trait]
impl Runner for Late {
    async fn run(&self, task: Task) -> Outcome {
        self.command.run(task).await
    }

    async fn ready(&self) -> Result<(), Error> {
        match self.missing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => self.command.ready().await,
        }
    }
}

#[tokio::test]
async fn a_kept_program_that_ends_before_it_reads() {
    let (mock, dir) = (server(), tempfile::tempdir().unwrap());
    let program = dir.path().join("program");
    install(&program, "echo 'no model' >&2; exit 3");
    let running = Running::start(worker(&mock).kind("k", installed(&program).keep(true).build().unwrap()));
    let id = mock.json("k", "1");
    eventually("it is given back", || mock.job(id).releases > 0).await;
    let log = String::from_utf8(mock.job(id).log).unwrap();
    assert!(log.contains("it ended before its first job (exit status: 3): no model"), "{log}");
    install(&program, r#"read -r line; a=${line##*\"attempt\":}; echo '{"job":"0","attempt":'"${a%\}}"',"result":1}'"#);
    let job = ended(&mock, id).await;
    assert!(succeeded(&job), "{:?}", job.failure);
    running.drain().await;
}

#[tokio::test]
async fn a_program_that_is_being_written() {
    let (mock, dir) = (server(), tempfile::tempdir().unwrap());
    let program = dir.path().join("program");
    // Text is read by its interpreter; only a binary is busy.
    fs::copy("/bin/cat", &program).unwrap();
    let running = Running::start(worker(&mock).kind("k", installed(&program).build().unwrap()));
    let writing = File::options().append(true).open(&program).unwrap();
    let id = mock.json("k", "1");
    eventually("it is given back", || mock.job(id).releases > 0).await;
    drop(writing);
    assert!(succeeded(&ended(&mock, id).await));

    let writing = File::options().append(true).open(&program).unwrap();
    let id = mock.json("k", "1");
    eventually("it is tried", || mock.job(id).state == "running").await;
    drop(writing);
    assert!(succeeded(&ended(&mock, id).await));
    running.drain().await;
}

#[tokio::test]
async fn a_scratch_directory_that_is_removed_and_comes_back() {
    let (mock, dir) = (server(), tempfile::tempdir().unwrap());
    let scratch = dir.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let running =
        Running::start(worker(&mock).concurrency(3).kind("k", shell("cat").scratch(&scratch).build().unwrap()));
    let first: Vec<usize> = (0..6).map(|n| mock.json("k", &n.to_string())).collect();
    for id in first {
        assert!(succeeded(&ended(&mock, id).await));
    }
    fs::remove_dir_all(&scratch).unwrap();
    let ids: Vec<usize> = (0..6).map(|n| mock.json("k", &n.to_string())).collect();
    eventually("some are given back", || ids.iter().any(|id| mock.job(*id).releases > 0)).await;
    fs::create_dir(&scratch).unwrap();
    for id in ids {
        let job = ended(&mock, id).await;
        assert!(succeeded(&job), "{:?}", job.failure);
    }
    running.drain().await;
}

#[tokio::test]
async fn a_program_that_fails_because_the_scratch_directory_is_gone() {
    let (mock, dir) = (server(), tempfile::tempdir().unwrap());
    let (scratch, flag) = (dir.path().join("scratch"), dir.path().join("flag"));
    let (scratch_text, flag_text) = (scratch.display(), flag.display());
    // Everything, and then its own alone: the first is the worker's trouble, the second its own doing.
    let script = format!(
        r#"if [ ! -e {flag_text} ]; then touch {flag_text}; rm -rf {scratch_text}; exit 1; fi
           rm -rf "$(dirname "$RAINCHECK_TMP")"; exit 1"#
    );
    fs::create_dir(&scratch).unwrap();
    let running = Running::start(worker(&mock).kind("k", shell(&script).scratch(&scratch).build().unwrap()));
    let id = mock.json("k", "1");
    eventually("it is given back", || mock.job(id).releases > 0).await;
    fs::create_dir(&scratch).unwrap();
    let job = ended(&mock, id).await;
    assert_eq!((job.state.as_str(), job.releases), ("failed", 1));
    running.drain().await;
}

#[tokio::test]
async fn a_worker_that_cannot_run_anything_asks_for_nothing() {
    struct Sick {
        looks: AtomicU32,
        table: Shared,
    }
    #[async_trait::async_trait]
    impl Runner for Sick {
        async fn run(&self, _: Task) -> Outcome {
            ().into()
        }

        async fn ready(&self) -> Result<(), Error> {
            let calls = self.table.lock().unwrap().lease_calls;
            assert_eq!(calls, 0, "it asked for work");
            match self.looks.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => Err(Error::Configuration("sick".into())),
                _ => Ok(()),
            }
        }
    }
    let mock = server();
    let id = mock.json("k", "1");
    let runner = Sick { looks: AtomicU32::new(0), table: mock.table.clone() };
    let running = Running::start(worker(&mock).kind("k", runner));
    let job = ended(&mock, id).await;
    assert_eq!((succeeded(&job), job.releases), (true, 0));
    running.drain().await;
}

/// Needs its input: a function that passes the error on, one that does not look at it, a program, and a kept one.
fn needy(mock: &Mock, runner: usize) -> WorkerBuilder {
    let input = |task: Task| async move { Ok::<_, Error>(Outcome::complete(&task.input().await?.len())) };
    let deaf = |task: Task| async move {
        match task.input().await {
            Ok(input) => Outcome::complete(&input.len()),
            Err(_) => Outcome::fail("no-input", "", ""),
        }
    };
    match runner {
        0 => worker(mock).kind("k", function(input)),
        1 => worker(mock).kind("k", function(deaf)),
        2 => worker(mock).kind("k", shell("wc -c").build().unwrap()),
        _ => worker(mock).kind("k", kept(r#"while ask; do say '"result":1'; done"#).build().unwrap()),
    }
}

#[tokio::test]
async fn an_input_that_the_server_has_lost_fails_its_job_for_good() {
    for runner in 0..4_usize {
        let mock = server();
        mock.table().inputs_are_lost = true;
        let running = Running::start(needy(&mock, runner));
        let id = mock.bytes("k", "image/png", &[0; 12345]);
        let job = ended(&mock, id).await;
        let failure = job.failure.unwrap();
        assert_eq!((job.state.as_str(), job.releases), ("failed", 0), "{runner}");
        assert_eq!((&failure["error"]["type"], &failure["retryable"]), (&"payload-lost".into(), &false.into()));
        mock.table().inputs_are_lost = false;
        let next = mock.bytes("k", "image/png", &[0; 12345]);
        assert!(succeeded(&ended(&mock, next).await), "the worker goes on");
        running.drain().await;
    }
}

#[tokio::test]
async fn an_input_that_cannot_be_fetched() {
    for runner in 0..4_usize {
        let mock = server();
        let worker = needy(&mock, runner);
        // So many tries are one run's.
        mock.table().refuse_inputs = 6;
        let running = Running::start(worker);
        let id = mock.bytes("k", "image/png", &[0; 12345]);
        let job = ended(&mock, id).await;
        assert_eq!((succeeded(&job), job.releases), (true, 1), "{:?}", job.failure);
        running.drain().await;
    }
}

#[tokio::test]
async fn a_result_file_that_is_not_there_is_the_functions_fault() {
    let mock = server();
    let runner = function(|_| async {
        let content_type = "image/png".to_owned();
        Outcome::Complete(ResultBody::File { path: "/nowhere/at/all".into(), content_type, filename: None })
    });
    let running = Running::start(worker(&mock).kind("k", runner));
    let id = mock.json("k", "1");
    let job = ended(&mock, id).await;
    assert_eq!((job.state.as_str(), &job.failure.unwrap()["retryable"]), ("failed", &true.into()));
    running.drain().await;
}

#[tokio::test]
async fn while_a_worker_pauses_another_one_does_the_work() {
    let mock = server();
    let sick =
        Running::start(worker(&mock).concurrency(8).kind("k", function(|_| async { Outcome::Trouble("sick".into()) })));
    let ids: Vec<usize> = (0..200).map(|n| mock.json("k", &n.to_string())).collect();
    eventually("some are given back", || ids.iter().any(|id| mock.job(*id).releases > 0)).await;
    let well =
        Running::start(worker(&mock).kind("k", function(|task: Task| async move { task.input().await.map(|_| ()) })));
    for id in &ids {
        assert!(succeeded(&ended(&mock, *id).await));
    }
    let releases: u32 = ids.iter().map(|id| mock.job(*id).releases).sum();
    assert!(releases < 50, "{releases} given back");
    sick.drain().await;
    well.drain().await;
}

#[tokio::test]
async fn directories_that_a_killed_worker_left_are_removed_by_the_next() {
    let (mock, dir) = (server(), tempfile::tempdir().unwrap());
    let [left, held, other] = ["raincheck-run-left01", "raincheck-run-held01", "raincheck-other1"].map(|name| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.join("tmp")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    });
    let holder = File::open(&held).unwrap();
    raincheck_client::run::command::hold(&holder).unwrap();
    let running = Running::start(worker(&mock).kind("k", shell("cat").scratch(dir.path()).build().unwrap()));
    let id = mock.json("k", "1");
    assert!(succeeded(&ended(&mock, id).await));
    eventually("it is removed", || !left.exists()).await;
    assert!(held.exists() && other.exists());
    running.drain().await;
}
