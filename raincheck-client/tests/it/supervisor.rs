//! Supervisors: kept for job after job, killed from outside, and never in the way of large inputs and outputs.

use crate::{
    mock::{Job, Mock},
    support::{Running, ended, eventually, is_alive, kept, outcome, pids, shell, worker},
};

/// The result as text.
fn text(job: &Job) -> String {
    String::from_utf8(job.result.as_ref().expect("a result").1.clone()).unwrap()
}

fn kill(pid: &str) {
    assert!(std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
}

#[tokio::test]
async fn many_jobs_share_a_supervisor_and_it_grows_no_descriptors() {
    let mock = Mock::start();
    // Its supervisor, how many files that has open, its own open files, and whether the socket to the worker is one.
    let script = "echo $PPID; ls /proc/$PPID/fd | wc -l; for fd in /proc/$$/fd/*; do echo ${fd##*/}; \
                  [ $(readlink $fd) != $(readlink /proc/$PPID/fd/0) ] || echo leaked; done; \
                  echo log >&2; echo '{\"percent\":1}' >&3";
    let running = Running::start(worker(&mock).kind("k", shell(script).build().unwrap()));
    let mut lines = Vec::new();
    for _ in 0..30 {
        let id = mock.json("k", "1");
        let job = ended(&mock, id).await;
        assert_eq!((job.state.as_str(), job.log.as_slice()), ("succeeded", &b"log\n"[..]));
        assert_eq!(job.progress.len(), 1);
        lines.push(text(&job));
    }
    let lines: Vec<Vec<&str>> = lines.iter().map(|one| one.lines().collect()).collect();
    let supervisor = lines[0][0];
    assert!(lines.iter().all(|one| one[0] == supervisor), "{lines:?}");
    let open = || lines.iter().map(|one| one[1].trim().parse::<usize>().unwrap());
    // Those of a program that was just started may not be closed yet; one more a job would be thirty.
    assert!(open().max().unwrap() <= open().min().unwrap() + 10, "{lines:?}");
    assert!(lines.iter().all(|one| one[2..] == lines[0][2..] && !one.contains(&"leaked")), "{lines:?}");
    assert!(is_alive(supervisor));
    running.drain().await;
    eventually("an idle supervisor ends with its worker", || !is_alive(supervisor)).await;
}

#[tokio::test]
async fn a_supervisor_killed_from_outside_costs_one_run_at_most() {
    let mock = Mock::start();
    let dir = tempfile::tempdir().unwrap();
    let (file, go) = (dir.path().join("pids"), dir.path().join("go"));
    let script =
        format!("echo $PPID >> {}; while [ ! -e {} ]; do sleep 0.02; done; echo 1", file.display(), go.display());
    let running = Running::start(worker(&mock).kind("k", shell(&script).build().unwrap()));

    let id = mock.json("k", "1");
    let first = pids(&file, 1).await.remove(0);
    kill(&first);
    let failure = ended(&mock, id).await.failure.unwrap();
    assert_eq!((&failure["retryable"], &failure["error"]["type"]), (&true.into(), &"cannot-run".into()));
    let detail = failure["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("its supervisor ended before it"), "{detail}");

    std::fs::write(&go, "").unwrap();
    let id = mock.json("k", "1");
    assert_eq!(ended(&mock, id).await.state, "succeeded");
    let second = pids(&file, 2).await.remove(1);
    kill(&second);
    eventually("the idle supervisor is gone", || !is_alive(&second)).await;
    let id = mock.json("k", "1");
    assert_eq!(ended(&mock, id).await.state, "succeeded", "an idle one costs nothing");
    assert_ne!(pids(&file, 3).await[2], second);
    running.drain().await;
}

#[tokio::test]
async fn a_supervisor_is_kept_after_a_cancel() {
    let mock = Mock::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let script =
        format!("echo $PPID >> {}; read -r wait; [ \"$wait\" = 0 ] || exec sleep 1000; echo 1", file.display());
    let running = Running::start(worker(&mock).kind("k", shell(&script).build().unwrap()));

    let id = mock.json("k", "1");
    pids(&file, 1).await;
    mock.cancel(id);
    assert_eq!(ended(&mock, id).await.state, "canceled");

    let id = mock.json("k", "0");
    assert_eq!(text(&ended(&mock, id).await), "1");
    let all = pids(&file, 2).await;
    assert_eq!(all[0], all[1], "it is the same supervisor");
    running.drain().await;
}

#[tokio::test]
async fn large_input_and_output_at_once() {
    let mock = Mock::start();
    let large: Vec<u8> = (0..10_u32 << 20).map(|i| (i * 7) as u8).collect();
    let id = mock.bytes("k", "application/x-anything", &large);
    let job = outcome(&mock, shell("cat").stream("application/x-anything"), id).await;
    assert_eq!(job.state, "succeeded");
    assert!(job.stream == large, "what comes out is what went in");

    // A kept program that writes while its question is still on the way.
    let script = "head -c 2000000; echo; id=1 attempt=1; say '\"result\":1'; cat > /dev/null";
    let id = mock.json("k", &format!("\"{}\"", "x".repeat(2_000_000)));
    let job = outcome(&mock, kept(script), id).await;
    assert_eq!((job.state.as_str(), text(&job).as_str()), ("succeeded", "1"));
    assert!(job.log.len() > 1_000_000);
}

#[tokio::test]
async fn a_kept_program_that_left_its_question_unread_gets_no_other() {
    let mock = Mock::start();
    let script = r#"line=$(head -c 100); id=${line#*\"id\":\"}; id=${id%%\"*}
        attempt=1; say "\"result\":$$"; exec sleep 1000"#;
    let running = Running::start(worker(&mock).kind("k", kept(script).build().unwrap()));
    let mut answers = Vec::new();
    for _ in 0..2 {
        // More than a pipe holds.
        let id = mock.json("k", &format!("\"{}\"", "x".repeat(2_000_000)));
        answers.push(text(&ended(&mock, id).await));
    }
    assert_ne!(answers[0], answers[1]);
    running.drain().await;
}
